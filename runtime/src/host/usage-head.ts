import { closeSync, constants, fdatasync, openSync, readSync, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { firstPreviousHash } from '../model/usage.ts'

/** The last record that billing's stream acknowledged: where the chain goes on. */
export interface UsageHead {
  sequence: number
  hash: string
}

const slotBytes = 128

/**
 * The head in a file of two slots, written in turn: a write that a power cut tears leaves the one before. An older head
 * is harmless: some records are sent once more and recognized by their sequence.
 */
export class UsageHeadFile {
  readonly #file: number
  #turn = 0
  #head: UsageHead = { sequence: 0, hash: firstPreviousHash }

  constructor(file: string) {
    this.#file = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600)
    for (const slot of [0, 1]) {
      const found = this.#read(slot)
      if (!found || found.sequence < this.#head.sequence) continue
      this.#head = found
      this.#turn = 1 - slot
    }
  }

  get head(): UsageHead {
    return this.#head
  }

  async advance(head: UsageHead): Promise<void> {
    const text = JSON.stringify(head)
    const line = `${crc32(text).toString(16).padStart(8, '0')} ${text}`.padEnd(slotBytes)
    writeSync(this.#file, line, this.#turn * slotBytes)
    await promisify(fdatasync)(this.#file)
    this.#turn = 1 - this.#turn
    this.#head = head
  }

  close(): void {
    closeSync(this.#file)
  }

  #read(slot: number): UsageHead | undefined {
    const buffer = Buffer.alloc(slotBytes)
    if (readSync(this.#file, buffer, 0, slotBytes, slot * slotBytes) < slotBytes) return undefined
    const [sum, text] = [buffer.toString('latin1', 0, 8), buffer.toString('latin1', 9).trimEnd()]
    return crc32(text) === Number.parseInt(sum, 16) ? (JSON.parse(text) as UsageHead) : undefined
  }
}
