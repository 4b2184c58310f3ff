import type { Cluster } from '../cluster/connect.ts'
import { publish } from '../cluster/stream.ts'
import { type LogLine, type LogSegment, subjects } from '../cluster/subjects.ts'
import type { AppName, TeamId } from '../core/ids.ts'
import { LineSplitter } from './line-splitter.ts'
import { LogQueue } from './log-queue.ts'

const sendAfterMs = 250

export interface LogSource {
  write(stream: 'stdout' | 'stderr', bytes: Uint8Array): void
  /** A line of ours among the program's. */
  system(text: string): void
  /** Lets out an unfinished last line. */
  close(): void
}

/**
 * Carries what instances print to logs.<team>.<app>, in segments of at most 250 ms or 64 KiB. Never waits: what cannot
 * be sent is kept in bounded memory, oldest lines go first, and the log itself says how many went.
 */
export class LogShipper implements AsyncDisposable {
  readonly #cluster: Cluster
  readonly #queues = new Map<string, LogQueue>()
  readonly #timers = new Map<LogQueue, NodeJS.Timeout>()
  readonly #sending = new Map<LogQueue, Promise<void>>()
  #closed = false

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  source({ team, app, instance }: { team: TeamId; app: AppName; instance: string }): LogSource {
    const queue = this.#queue(subjects.logs(team, app))
    const splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() }
    const add = (stream: LogLine['stream'], texts: string[]) => {
      const at = Date.now()
      for (const text of texts) queue.add({ at, instance, stream, text })
      if (texts.length > 0) this.#sendSoon(queue)
    }
    return {
      write: (stream, bytes) => add(stream, splitters[stream].push(bytes)),
      system: (text) => add('system', [text]),
      close: () => {
        for (const stream of ['stdout', 'stderr'] as const) add(stream, splitters[stream].end())
      },
    }
  }

  /** Sends what is there for at most 2 s. */
  async close(): Promise<void> {
    this.#closed = true
    for (const queue of this.#queues.values()) this.#send(queue)
    const late = new Promise((resolve) => setTimeout(resolve, 2_000).unref())
    await Promise.race([Promise.all(this.#sending.values()), late])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #queue(subject: string): LogQueue {
    const found = this.#queues.get(subject) ?? new LogQueue(subject)
    this.#queues.set(subject, found)
    return found
  }

  #sendSoon(queue: LogQueue): void {
    if (this.#sending.has(queue)) return
    if (queue.isSegmentFull) this.#send(queue)
    else if (!this.#timers.has(queue))
      this.#timers.set(
        queue,
        setTimeout(() => this.#send(queue), sendAfterMs),
      )
  }

  /** One message at a time per app, so that lines stay in order. */
  #send(queue: LogQueue): void {
    clearTimeout(this.#timers.get(queue))
    this.#timers.delete(queue)
    if (this.#sending.has(queue)) return
    const sending = this.#drain(queue).finally(() => {
      this.#sending.delete(queue)
      if (!queue.isEmpty && !this.#closed) this.#sendSoon(queue)
    })
    this.#sending.set(queue, sending)
  }

  async #drain(queue: LogQueue): Promise<void> {
    while (!queue.isEmpty && (this.#cluster.now || this.#closed)) {
      const segment: LogSegment = { lines: queue.take() }
      try {
        await publish(this.#cluster, queue.subject, segment, { deadlineMs: this.#closed ? 1_500 : 10_000 })
      } catch (error) {
        queue.putBack(segment.lines)
        this.#cluster.log?.debug({ error: String(error) }, 'log lines are kept and sent later')
        return
      }
      if (!queue.isSegmentFull) return
    }
  }
}
