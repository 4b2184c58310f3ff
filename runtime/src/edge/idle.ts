/**
 * Counts down from the last moment something was going on. Cheap for the one who is busy: `busy` and `rest` only store a
 * number; the one timer finds out when it fires how much is left, and goes on for that long.
 */
export class IdleCountdown {
  #restsSince = -1
  #timer: NodeJS.Timeout | undefined
  readonly #idleMs: number
  readonly #onIdle: () => void

  constructor(idleMs: number, onIdle: () => void) {
    this.#idleMs = idleMs
    this.#onIdle = onIdle
  }

  busy(): void {
    this.#restsSince = -1
  }

  /** `now` is performance.now(). */
  rest(now: number): void {
    this.#restsSince = now
    this.#timer ??= setTimeout(this.#look, this.#idleMs)
  }

  /** As `rest`, but not before `until` is the countdown over; somebody else's may be later still. */
  restUntil(until: number): void {
    this.rest(Math.max(this.#restsSince, until - this.#idleMs))
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#restsSince = -1
  }

  #look = (): void => {
    this.#timer = undefined
    if (this.#restsSince < 0) return // the next rest() arms it again
    const leftMs = this.#restsSince + this.#idleMs - performance.now()
    if (leftMs <= 0) this.#onIdle()
    else this.#timer = setTimeout(this.#look, Math.ceil(leftMs))
  }
}
