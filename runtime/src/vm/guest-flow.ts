/** Messages that a guest may send over time, and at once; a busy exec session sends some hundred a second. */
const framesPerSecond = 5_000
const burstFrames = 10_000
const pauseMs = 50

/** Holds up a guest that sends more messages than any has reason to: the agent's one thread takes them all apart. */
export class GuestFlow implements Disposable {
  readonly #port: { pause(): void; resume(): void }
  #tokens = burstFrames
  #refilledAt = performance.now()
  #paused: NodeJS.Timeout | undefined

  constructor(port: { pause(): void; resume(): void }) {
    this.#port = port
  }

  took(frames: number): void {
    const now = performance.now()
    this.#tokens = Math.min(burstFrames, this.#tokens + ((now - this.#refilledAt) / 1000) * framesPerSecond) - frames
    this.#refilledAt = now
    if (this.#tokens >= 0 || this.#paused) return
    this.#port.pause()
    this.#paused = setTimeout(() => {
      this.#paused = undefined
      this.#port.resume()
    }, pauseMs)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#paused)
  }
}
