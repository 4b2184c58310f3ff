import { GuestProtocolError } from './guest-errors.ts'

/** Frame types of the ctl port; spec/guest-protocol.md says what each carries. */
export const toGuest = {
  identity: 0x01,
  clock: 0x02,
  stop: 0x03,
  listeners: 0x04,
  execStart: 0x05,
  execInput: 0x06,
  execResize: 0x07,
  execKill: 0x08,
  execCredit: 0x09,
  hello: 0x0a,
  rest: 0x0b,
  copy: 0x0c,
} as const

export const toHost = {
  waiting: 0x81,
  started: 0x82,
  listeners: 0x83,
  clockAck: 0x84,
  exited: 0x85,
  failed: 0x86,
  execOutput: 0x87,
  execExit: 0x88,
  execCredit: 0x89,
  helloAck: 0x8a,
  resting: 0x8b,
  stayAwake: 0x8c,
  hookFailed: 0x8d,
  copied: 0x8e,
} as const

/** No guest frame is longer than 32 KiB; the protocol's own bound is what memory a hostile guest may make us hold. */
export const frameMax = 1024 * 1024

/** `u32 length · u8 type · parts`. */
export function frame(type: number, ...parts: Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 1)
  const head = Buffer.allocUnsafe(5)
  head.writeUInt32LE(length, 0)
  head[4] = type
  return Buffer.concat([head, ...parts])
}

export const u16 = (value: number) => Buffer.of(value & 255, value >>> 8)
export const u32 = (value: number) => Buffer.of(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24)

/**
 * Cuts a port's bytes into frames. Until the echo of our hello has come it skips everything: what another host
 * process left behind may end in mid-frame. Without an `echo` the first byte begins a frame. The payload given to `onFrame` is only valid during the call.
 */
export class FrameReader {
  readonly #onFrame: (type: number, payload: Buffer) => void
  #echo: Buffer | undefined
  /** What came of an unfinished frame: the first `#have` bytes, with room for more. */
  #rest: Buffer = Buffer.alloc(0)
  #have = 0
  /** Frames since it was made: what a guest's messages cost the agent is counted by them. */
  frames = 0

  constructor(echo: Buffer | undefined, onFrame: (type: number, payload: Buffer) => void) {
    this.#echo = echo
    this.#onFrame = onFrame
  }

  get synchronized(): boolean {
    return this.#echo === undefined
  }

  /** Everything that has come was whole frames, and they were passed on. */
  get atBoundary(): boolean {
    return this.synchronized && this.#have === 0
  }

  /** @throws GuestProtocolError for a length out of bounds, and whatever onFrame throws. */
  push(chunk: Buffer): void {
    const isKept = this.#have > 0
    if (isKept) this.#append(chunk)
    let bytes = isKept ? this.#rest.subarray(0, this.#have) : chunk
    if (this.#echo) {
      const at = bytes.indexOf(this.#echo)
      if (at < 0) {
        this.#keep(bytes.subarray(Math.max(0, bytes.length - this.#echo.length + 1)))
        return
      }
      bytes = bytes.subarray(at + this.#echo.length)
      this.#echo = undefined
    }
    let offset = 0
    while (bytes.length - offset >= 4) {
      const length = bytes.readUInt32LE(offset)
      if (length < 1 || length > frameMax) throw new GuestProtocolError(`a frame of ${length} bytes`)
      if (bytes.length - offset < 4 + length) break
      this.frames++
      this.#onFrame(bytes[offset + 4]!, bytes.subarray(offset + 5, offset + 4 + length))
      offset += 4 + length
    }
    if (offset > 0 || bytes.length !== this.#have) this.#keep(bytes.subarray(offset))
  }

  /** Room grows by doubling: a guest that sends a long frame byte by byte must not make us copy it for each of them. */
  #append(chunk: Buffer): void {
    const needed = this.#have + chunk.length
    if (needed > this.#rest.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#rest.length))
      this.#rest.copy(larger, 0, 0, this.#have)
      this.#rest = larger
    }
    chunk.copy(this.#rest, this.#have)
    this.#have = needed
  }

  /** The chunk belongs to the socket and is overwritten by its next read, so what is kept is copied. */
  #keep(bytes: Buffer): void {
    this.#rest = Buffer.from(bytes)
    this.#have = bytes.length
  }
}
