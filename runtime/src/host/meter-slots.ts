import { closeSync, constants, fdatasync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { LittleError } from '../core/errors.ts'

/**
 * A file of fixed slots, each holding one open interval, written in place by synchronous pwrite without fsync: what a
 * process wrote so survives its kill -9 (the page cache is the kernel's), and it takes some µs.
 *
 *   slot, 1 KiB:  touch  @0   i64 µs · u32 crc of these 8 bytes           12 bytes, rewritten once a second
 *                 body   @16  u16 length · u32 crc of the text · text     length 0: the slot is free
 *
 * A slot never crosses a page, so a kill leaves it before or after a write, not between; a power cut may, and then the
 * checksum tells.
 */
const slotBytes = 1024
const freeMark = Buffer.alloc(2)
const bodyAt = 16
const textAt = bodyAt + 6
const maxTextBytes = slotBytes - textAt
/** The file grows by this many slots, when all are taken; 1 MiB. */
const growBy = 1024

export interface FilledSlot {
  slot: number
  text: string
  touchedUs: number
}

export class SlotTooSmall extends LittleError {
  readonly code = 'meter.slot_too_small'
  readonly status = 500
  readonly hint = 'This is a bug in littlecloud: names are limited so that this cannot happen'
}

export class MeterSlots {
  readonly #file: number
  readonly #free: number[] = []
  #count: number
  readonly #buffer = Buffer.alloc(slotBytes)
  readonly #touch = Buffer.alloc(12)
  /** What was there at opening. */
  readonly filled: FilledSlot[] = []
  /** Slots whose checksum was wrong; they are free again. */
  damaged = 0

  constructor(file: string) {
    this.#file = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600)
    this.#count = Math.floor(fstatSync(this.#file).size / slotBytes)
    for (let slot = this.#count - 1; slot >= 0; slot--) this.#load(slot)
    if (this.#count === 0) this.#grow()
  }

  /** Takes a slot for the text; on the path of a wake. */
  fill(text: string, touchedUs: number): number {
    if (this.#free.length === 0) this.#grow()
    const length = Buffer.byteLength(text)
    if (length > maxTextBytes) throw new SlotTooSmall(`an open interval needs ${length} of ${maxTextBytes} bytes`)
    const slot = this.#free.pop()!
    const buffer = this.#buffer
    this.#writeTouch(buffer, touchedUs)
    buffer.writeUInt16LE(length, bodyAt)
    buffer.write(text, textAt)
    buffer.writeUInt32LE(crc32(buffer.subarray(textAt, textAt + length)), bodyAt + 2)
    writeSync(this.#file, buffer, 0, textAt + length, slot * slotBytes)
    return slot
  }

  touch(slot: number, touchedUs: number): void {
    this.#writeTouch(this.#touch, touchedUs)
    writeSync(this.#file, this.#touch, 0, 12, slot * slotBytes)
  }

  clear(slot: number): void {
    writeSync(this.#file, freeMark, 0, 2, slot * slotBytes + bodyAt)
    this.#free.push(slot)
  }

  /** Afterwards a power cut cannot bring back what was cleared before the call. */
  async sync(): Promise<void> {
    await promisify(fdatasync)(this.#file)
  }

  close(): void {
    closeSync(this.#file)
  }

  #writeTouch(buffer: Buffer, touchedUs: number): void {
    buffer.writeBigInt64LE(BigInt(Math.round(touchedUs)), 0)
    buffer.writeUInt32LE(crc32(buffer.subarray(0, 8)), 8)
  }

  #load(slot: number): void {
    const buffer = this.#buffer
    const got = readSync(this.#file, buffer, 0, slotBytes, slot * slotBytes)
    const length = buffer.readUInt16LE(bodyAt)
    if (got < slotBytes || length === 0) {
      this.#free.push(slot)
      return
    }
    const text = buffer.subarray(textAt, textAt + length)
    if (length > maxTextBytes || crc32(text) !== buffer.readUInt32LE(bodyAt + 2)) {
      this.damaged += 1
      this.clear(slot)
      return
    }
    const touched = crc32(buffer.subarray(0, 8)) === buffer.readUInt32LE(8) ? Number(buffer.readBigInt64LE(0)) : 0
    this.filled.push({ slot, text: text.toString(), touchedUs: touched })
  }

  #grow(): void {
    writeSync(this.#file, Buffer.alloc(growBy * slotBytes), 0, growBy * slotBytes, this.#count * slotBytes)
    for (let slot = this.#count + growBy - 1; slot >= this.#count; slot--) this.#free.push(slot)
    this.#count += growBy
  }
}
