import { GuestTimeout, type GuestUnreachable } from './guest-errors.ts'
import { frame, toGuest, u32 } from './guest-frames.ts'
import { need } from './guest-messages.ts'

/** The question before a stop; only the last one that was asked has an answer. */
export class GuestRest {
  readonly #send: (frame: Buffer) => void
  #sequence = 0
  #waiting: PromiseWithResolvers<void> | undefined

  constructor(send: (frame: Buffer) => void) {
    this.#send = send
  }

  ask(regardless: boolean, deadlineMs: number): Promise<void> {
    this.callOff()
    const waiting = Promise.withResolvers<void>()
    this.#waiting = waiting
    this.#sequence = (this.#sequence + 1) >>> 0
    this.#send(frame(toGuest.rest, u32(this.#sequence), u32(0), Buffer.of(regardless ? 1 : 0)))
    const timer = setTimeout(() => waiting.reject(new GuestTimeout('answer before its stop', deadlineMs)), deadlineMs)
    return waiting.promise.finally(() => clearTimeout(timer))
  }

  answered(payload: Buffer): void {
    need(payload, 9, 'resting')
    if (payload.readUInt32LE(0) !== this.#sequence) return // of a question that was called off
    this.callOff()
  }

  /** Whoever asked goes on, and sees for itself whether it is still to stop the guest. */
  callOff(): void {
    this.#waiting?.resolve()
    this.#waiting = undefined
  }

  close(reason: GuestUnreachable): void {
    this.#waiting?.reject(reason)
    this.#waiting = undefined
  }
}
