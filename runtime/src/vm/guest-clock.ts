import { GuestTimeout, type GuestUnreachable } from './guest-errors.ts'
import { toGuest } from './guest-frames.ts'

const frameBytes = 21

/**
 * The clock message, on the wake path: one preallocated frame, written before anything is awaited, and one timer that
 * is only refreshed. The frame may be reused because a new one is only sent once the last was acknowledged or given up.
 */
export class GuestClock {
  readonly #frame = Buffer.alloc(frameBytes)
  readonly #write: (frame: Buffer) => void
  #timer: NodeJS.Timeout | undefined
  #deadlineMs = 0
  #sequence = 0
  #sentAtMs = 0
  #waiting: PromiseWithResolvers<number> | undefined

  constructor(write: (frame: Buffer) => void) {
    this.#write = write
    this.#frame.writeUInt32LE(frameBytes - 4, 0)
    this.#frame[4] = toGuest.clock
  }

  /** Sends the time of now; resolves with the ms until the guest had set it. Callers at the same time share one message. */
  set(deadlineMs: number): Promise<number> {
    if (this.#waiting) return this.#waiting.promise
    const waiting = Promise.withResolvers<number>()
    this.#waiting = waiting
    this.#sequence = (this.#sequence + 1) >>> 0
    this.#frame.writeUInt32LE(this.#sequence, 5)
    // performance.timeOrigin + now() has µs but does not follow NTP's steps; Date.now() does, and 1 ms is enough.
    this.#frame.writeBigInt64LE(BigInt(Date.now()) * 1_000_000n, 13)
    this.#sentAtMs = performance.now()
    this.#write(this.#frame)
    this.#arm(deadlineMs)
    return waiting.promise
  }

  /** The same message once more, if its acknowledgement is still awaited; returns whether none is. */
  repeat(): boolean {
    if (this.#waiting) this.#write(this.#frame)
    return !this.#waiting
  }

  acknowledged(payload: Buffer): void {
    if (payload.length !== 8 || payload.readUInt32LE(0) !== this.#sequence) return // of an attempt that was given up
    this.#waiting?.resolve(performance.now() - this.#sentAtMs)
    this.#waiting = undefined
  }

  fail(reason: GuestTimeout | GuestUnreachable): void {
    this.#waiting?.reject(reason)
    this.#waiting = undefined
  }

  /** After the write: a timer is not what the guest waits for. */
  #arm(deadlineMs: number): void {
    if (this.#timer && deadlineMs === this.#deadlineMs) {
      this.#timer.refresh()
      return
    }
    clearTimeout(this.#timer)
    this.#deadlineMs = deadlineMs
    this.#timer = setTimeout(() => this.fail(new GuestTimeout('acknowledgement of its clock', deadlineMs)), deadlineMs)
    this.#timer.unref()
  }

  close(reason: GuestUnreachable): void {
    clearTimeout(this.#timer)
    this.fail(reason)
  }
}
