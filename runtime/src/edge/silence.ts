import type { Hold } from './hold.ts'

/** A machine that says nothing for so long will not come back with what it was doing. */
const silentAfterMs = 5_000
const lookEveryMs = 1_000
/** And then nothing may come of the request itself for so long: its bytes take another way than the agent's. */
const quietLooks = 10
export const givenUpAfterMs = silentAfterMs + quietLooks * lookEveryMs

/**
 * Ends requests to machines that fell silent. A reply may take for ever where its machine lives, and says so each second
 * by renewing holds; without that bound a POST to a machine that burnt down would stay open until the client gives up.
 */
export class Silence implements Disposable {
  readonly #timer: NodeJS.Timeout

  constructor(holds: () => Iterable<Hold>) {
    this.#timer = setInterval(() => {
      const now = performance.now()
      for (const { link, pool } of holds()) if (link.silentMs(now) > silentAfterMs) pool.giveUpQuiet(quietLooks)
    }, lookEveryMs)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
