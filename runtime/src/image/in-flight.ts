/** Work that several callers ask for at once is done once. A caller that gives up leaves; the last one to leave ends it. */
export class InFlight<T> {
  readonly #running = new Map<string, { work: Promise<T>; callers: number; abort: AbortController }>()

  async share(key: string, signal: AbortSignal | undefined, begin: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    const running = this.#running.get(key) ?? this.#begin(key, begin)
    running.callers++
    const { promise: gaveUp, reject } = Promise.withResolvers<never>()
    const giveUp = () => reject(signal!.reason)
    signal?.addEventListener('abort', giveUp)
    try {
      return await Promise.race([running.work, gaveUp])
    } finally {
      signal?.removeEventListener('abort', giveUp)
      if (--running.callers === 0) {
        if (this.#running.get(key) === running) this.#running.delete(key)
        running.abort.abort(signal?.reason) // does nothing when the work has ended
      }
    }
  }

  #begin(key: string, begin: (signal: AbortSignal) => Promise<T>) {
    const abort = new AbortController()
    const running = { work: begin(abort.signal), callers: 0, abort }
    running.work.catch(() => {}) // the callers hear of it; there may be none left
    this.#running.set(key, running)
    return running
  }
}
