import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster } from '../cluster/connect.ts'
import { lastLogMessage } from '../cluster/log-streams.ts'
import { publish } from '../cluster/stream.ts'
import type { LogSegment } from '../cluster/subjects.ts'
import { MIB } from '../core/units.ts'
import type { LogQueue } from './log-queue.ts'

const sendAfterMs = 250
/** After a failure, and while an app has no stream: nobody reads its log, and the deploy that makes one may be under way. */
const againAfterMs = 2_000
/** A node's logs take at most 200 messages and 4 MiB of NATS a second: state is written there too. */
const betweenMs = 5
const bytesPerMs = (4 * MIB) / 1000

/** Sends queues' segments, one at a time for the whole node, each app in its turn: who waits longer sends more at once. */
export class LogSender {
  readonly #cluster: Cluster
  readonly #known = new Set<LogQueue>()
  readonly #due = new Set<LogQueue>()
  readonly #timers = new Map<LogQueue, NodeJS.Timeout>()
  readonly #forgetLink: () => void
  readonly #closing = new AbortController()
  readonly #loop: Promise<void>
  #wake = Promise.withResolvers<void>()

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#forgetLink = cluster.onLink(() => this.#doubtAll())
    this.#loop = this.#sendForEver(this.#closing.signal)
  }

  /** There is something to send: at once if it is much, else in a moment, when there may be more. */
  soon(queue: LogQueue): void {
    this.#known.add(queue)
    if (queue.isEmpty || this.#due.has(queue)) return
    if (queue.isSegmentFull && !queue.unsure) this.#dueNow(queue)
    else this.#later(queue, sendAfterMs)
  }

  /** Sends what is there for at most 2 s. */
  async close(queues: LogQueue[]): Promise<void> {
    this.#forgetLink()
    this.#closing.abort()
    this.#wake.resolve()
    for (const timer of this.#timers.values()) clearTimeout(timer)
    await this.#loop
    const until = performance.now() + 2_000
    for (const queue of queues) {
      while (!queue.isEmpty && this.#cluster.now && performance.now() < until) {
        if (!(await this.#send(queue, 1_500))) break
      }
    }
  }

  async #sendForEver(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const [queue] = this.#due
      if (!queue) {
        await this.#wake.promise
        this.#wake = Promise.withResolvers()
        continue
      }
      this.#due.delete(queue)
      const connected = await this.#cluster.connection('logs', 60_000, signal).catch(() => undefined)
      const sentBytes = connected && (await this.#send(queue, 10_000))
      if (sentBytes) this.soon(queue)
      else if (!queue.isEmpty) this.#later(queue, againAfterMs)
      await delay(Math.max(betweenMs, (sentBytes ?? 0) / bytesPerMs), undefined, { signal }).catch(() => {})
    }
  }

  /** One segment, if it is not stored already; returns how many bytes that was, 0 if it has to be tried again. */
  async #send(queue: LogQueue, deadlineMs: number): Promise<number> {
    try {
      if (queue.unsure) {
        const upTo = await this.#storedUpTo(queue)
        if (upTo === undefined) return 0
        queue.stored(upTo)
        if (queue.isEmpty) return 1
      }
      const segment = queue.segment()
      const before = queue.bytes
      await publish(this.#cluster, queue.subject, segment, { deadlineMs, once: true })
      queue.sent(segment)
      return Math.max(1, before - queue.bytes)
    } catch (error) {
      queue.doubt()
      this.#cluster.log?.debug({ error: String(error) }, 'log lines are kept and sent later')
      return 0
    }
  }

  /** undefined: the app's log has no stream. */
  async #storedUpTo(queue: LogQueue): Promise<number | undefined> {
    const last = await lastLogMessage(this.#cluster, queue)
    if (last === 'no stream') return undefined
    return last === 'none' ? 0 : (JSON.parse(Buffer.from(last).toString()) as LogSegment).upTo
  }

  /** A NATS that ended without warning may have lost the last segments it acknowledged. */
  #doubtAll(): void {
    for (const queue of this.#known) {
      queue.doubt()
      this.soon(queue)
    }
  }

  #dueNow(queue: LogQueue): void {
    clearTimeout(this.#timers.get(queue))
    this.#timers.delete(queue)
    this.#due.add(queue)
    this.#wake.resolve()
  }

  #later(queue: LogQueue, ms: number): void {
    if (this.#closing.signal.aborted || this.#timers.has(queue)) return
    this.#timers.set(
      queue,
      setTimeout(() => this.#dueNow(queue), ms),
    )
  }
}
