import { lowerOwnMainThread, raiseOwnMainThread } from './priority.ts'

/** How often the main thread's CPU time is looked at. */
const lookMs = 1_000
/** More of a core than this is not short work any more: at real-time priority it would starve the others there. */
const saturatedShare = 0.5
/** A thread that its neighbours hold back looks idle: so it stays low for long, and has at most 1 s in 6 in vain. */
const staysLowMs = 5_000

/** How a thread's priority is set; a test sets another. */
export interface Priority {
  raise(): boolean
  lower(): boolean
}

/**
 * Real-time priority for as long as the main thread uses less than half a core: a wake's few hundred µs go first, a
 * flood of requests shares the core with the host agent and the guests like any other process.
 *
 * CPU time counts, not the event loop's utilisation: that counts waiting for the CPU as work, so that a lowered thread
 * with busy neighbours would seem saturated for ever.
 */
export class FairPriority implements Disposable {
  raised: boolean
  #loweredAt = 0
  readonly #priority: Priority
  readonly #timer: NodeJS.Timeout | undefined

  constructor(priority: Priority = { raise: raiseOwnMainThread, lower: lowerOwnMainThread }) {
    this.#priority = priority
    this.raised = priority.raise()
    if (!this.raised) return // refused: it will be refused again
    let [lookedAt, used] = [performance.now(), usedMs()]
    this.#timer = setInterval(() => {
      const [now, usedNow] = [performance.now(), usedMs()]
      this.look((usedNow - used) / (now - lookedAt), now)
      lookedAt = now
      used = usedNow
    }, lookMs).unref()
  }

  /** `share` of a core was used since the last look; `now` is performance.now(). */
  look(share: number, now: number): void {
    const saturated = share > saturatedShare
    if (this.raised && saturated) {
      if (!this.#priority.lower()) return
      this.raised = false
      this.#loweredAt = now
    } else if (!this.raised && !saturated && now - this.#loweredAt >= staysLowMs) this.raised = this.#priority.raise()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

/** CPU time of this thread. */
function usedMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
