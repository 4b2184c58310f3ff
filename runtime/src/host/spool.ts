import {
  closeSync,
  fdatasync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LittleError } from '../core/errors.ts'
import { encodeLine, linesOf } from './spool-line.ts'

/** A segment is given up once all of it was acknowledged; small enough to read whole. */
const segmentBytes = 1024 * 1024

export class SpoolFull extends LittleError {
  readonly code = 'host.disk_full'
  readonly status = 507
  readonly hint = 'Make room where the data folder lies; nothing is lost, it is written as soon as it fits'
  constructor(options?: { cause?: unknown }) {
    super('usage cannot be written down: the disk is full', options)
  }
}

export interface Spooled {
  sequence: number
}

interface Segment {
  file: string
  first: number
}

/**
 * What happened and is not yet known to be safe elsewhere: appended to segments named by their first sequence, removed
 * when acknowledged. `append` survives kill -9; after `sync` it survives a power cut.
 */
export class Spool<T extends Spooled> {
  readonly #dir: string
  readonly #segments: Segment[]
  #file: number | undefined
  #size = 0
  #cursor: { after: number; first: number; offset: number } | undefined
  /** The last sequence that was given out. */
  last: number
  /** Lines with a wrong checksum before good ones: lost, and a gap in the sequence shows it. */
  damaged = 0
  /** Bytes of an unfinished write at the end: cut off, nothing that was promised. */
  torn = 0

  /** `after`: the last acknowledged sequence, where the numbers go on if nothing is spooled. */
  constructor(dir: string, after: number) {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    this.#dir = dir
    this.#segments = readdirSync(dir)
      .filter((name) => /^\d+\.log$/.test(name))
      .map((name) => ({ file: join(dir, name), first: Number.parseInt(name, 10) }))
      .sort((a, b) => a.first - b.first)
    this.last = after
    this.forget(after)
    for (const segment of this.#segments) this.#check(segment, segment === this.#segments.at(-1))
  }

  /** Gives the value the next sequence and returns it; throws SpoolFull, and then nothing has happened. */
  append(make: (sequence: number) => T): T {
    const value = make(this.last + 1)
    const line = Buffer.from(encodeLine(value))
    this.#write(value.sequence, line)
    this.#size += line.length
    this.last = value.sequence
    return value
  }

  #write(sequence: number, line: Buffer): void {
    try {
      if (this.#file === undefined || this.#size >= segmentBytes) this.#begin(sequence)
      if (writeSync(this.#file!, line) < line.length) throw new SpoolFull()
    } catch (error) {
      // The half line would spoil the next one.
      if (this.#file !== undefined) ftruncateSync(this.#file, this.#size)
      throw (error as NodeJS.ErrnoException).code === 'ENOSPC' ? new SpoolFull({ cause: error }) : error
    }
  }

  async sync(): Promise<void> {
    if (this.#file !== undefined) await promisify(fdatasync)(this.#file)
  }

  /** In order, after that sequence, at most so many. Going on where the last call ended reads only what is new. */
  read(after: number, limit: number): T[] {
    const from = this.#cursor?.after === after ? this.#cursor : { first: 0, offset: 0 }
    const found: T[] = []
    for (const [i, { file, first }] of this.#segments.entries()) {
      const next = this.#segments[i + 1]
      if (first < from.first || (next && next.first <= after + 1)) continue
      const begin = first === from.first ? from.offset : 0
      for (const { value, end } of linesOf<T>(readFrom(file, begin))) {
        if (value && value.sequence > after) {
          found.push(value)
          this.#cursor = { after: value.sequence, first, offset: begin + end }
        }
        if (found.length === limit) return found
      }
    }
    return found
  }

  /** Removes the segments in which nothing comes after that sequence. */
  forget(upTo: number): void {
    while (this.#segments[1] && this.#segments[1].first <= upTo + 1) rmSync(this.#segments.shift()!.file)
  }

  /** Gives up the oldest segments beyond that number, acknowledged or not; true if any had to go. */
  trim(keepSegments: number): boolean {
    const surplus = this.#segments.splice(0, Math.max(0, this.#segments.length - keepSegments))
    for (const { file } of surplus) rmSync(file)
    return surplus.length > 0
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }

  #begin(first: number): void {
    this.close()
    const file = join(this.#dir, `${String(first).padStart(16, '0')}.log`)
    this.#file = openSync(file, 'a', 0o600)
    this.#size = 0
    if (this.#segments.at(-1)?.first !== first) this.#segments.push({ file, first })
  }

  #check(segment: Segment, isLast: boolean): void {
    const content = readFileSync(segment.file)
    let goodBytes = 0
    let bad = 0
    let badBeforeGood = 0
    this.last = Math.max(this.last, segment.first - 1)
    for (const { value, end } of linesOf<T>(content)) {
      if (!value) {
        bad += 1
        continue
      }
      this.last = Math.max(this.last, value.sequence)
      goodBytes = end
      badBeforeGood = bad
    }
    this.damaged += isLast ? badBeforeGood : bad
    if (!isLast) return
    if (goodBytes < content.length) {
      this.torn += content.length - goodBytes
      truncateSync(segment.file, goodBytes)
    }
    this.#file = openSync(segment.file, 'a', 0o600)
    this.#size = goodBytes
  }
}

function readFrom(file: string, offset: number): Buffer {
  const descriptor = openSync(file, 'r')
  try {
    const content = Buffer.alloc(Math.max(0, fstatSync(descriptor).size - offset))
    return content.subarray(0, readSync(descriptor, content, 0, content.length, offset))
  } finally {
    closeSync(descriptor)
  }
}
