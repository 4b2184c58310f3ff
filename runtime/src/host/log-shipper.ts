import type { Cluster } from '../cluster/connect.ts'
import { type LogLine, subjects } from '../cluster/subjects.ts'
import type { AppName, NodeId, TeamId } from '../core/ids.ts'
import { MIB } from '../core/units.ts'
import { LineSplitter } from './line-splitter.ts'
import { LogFlow, type LogReader } from './log-flow.ts'
import { LogJournal } from './log-journal.ts'
import { LogQueue } from './log-queue.ts'
import { LogRate } from './log-rate.ts'
import { LogSender } from './log-sender.ts'

/** Of all apps together, while NATS takes nothing. */
const keepBytes = 64 * MIB
const forgetEveryMs = 1_000

export interface LogSource {
  write(stream: 'stdout' | 'stderr', bytes: Uint8Array): void
  /** A line of ours among the program's. */
  system(text: string): void
  /** Lets out an unfinished last line. */
  close(): void
}

/** Whose lines they are. */
export interface LogOrigin {
  team: TeamId
  app: AppName
  instance: string
  release: number
}

/**
 * Carries what instances print to logs.<team>.<app>.<node>, in segments. Never waits: what cannot be sent is kept in
 * bounded memory, oldest lines go first, and the log itself says how many went.
 */
export class LogShipper implements AsyncDisposable {
  readonly #node: NodeId
  readonly #journal: LogJournal
  readonly #sender: LogSender
  readonly #queues = new Map<string, LogQueue>()
  readonly #rates = new Map<LogQueue, LogRate>()
  readonly #timer: NodeJS.Timeout
  /** For the metrics. */
  readonly counted = { lines: 0, shed: 0 }

  constructor(cluster: Cluster, { node, dir }: { node: NodeId; dir: string }) {
    this.#node = node
    this.#journal = new LogJournal(dir)
    this.#sender = new LogSender(cluster)
    for (const entry of this.#journal.left()) {
      const queue = this.#queue(entry.team, entry.app)
      queue.push(entry)
      this.#sender.soon(queue)
    }
    this.#timer = setInterval(() => this.#forget(), forgetEveryMs)
  }

  /** `reader`: who is held up when the program prints faster than the agent reads. */
  source({ team, app, instance, release }: LogOrigin, reader?: LogReader): LogSource {
    const splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() }
    const flow = reader && new LogFlow(reader)
    const take = (stream: 'stdout' | 'stderr', parts: ReturnType<LineSplitter['push']>) => {
      const at = Date.now()
      for (const { text, continues } of parts) {
        this.#add(team, app, { at, instance, release, stream, text, ...(continues && { continues }) })
      }
    }
    return {
      write: (stream, bytes) => {
        const parts = splitters[stream].push(bytes)
        flow?.took(bytes.length, parts.length)
        take(stream, parts)
      },
      system: (text) => this.#add(team, app, { at: Date.now(), instance, release, stream: 'system', text }),
      close: () => {
        flow?.close()
        for (const stream of ['stdout', 'stderr'] as const) take(stream, splitters[stream].end())
      },
    }
  }

  get queuedBytes(): number {
    return [...this.#queues.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  get droppedLines(): number {
    return [...this.#rates.values()].reduce((sum, { droppedLines }) => sum + droppedLines, 0)
  }

  /** Sends what is there for at most 2 s; the rest stays in the journal. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#sender.close([...this.#queues.values()])
    this.#forget()
    this.#journal.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #add(team: TeamId, app: AppName, line: LogLine): void {
    const queue = this.#queue(team, app)
    for (const admitted of this.#rates.get(queue)!.admit(line)) {
      this.counted.lines += 1
      queue.push(this.#journal.append({ team, app, ...admitted }))
    }
    this.#sender.soon(queue)
  }

  #queue(team: TeamId, app: AppName): LogQueue {
    const subject = subjects.logs(team, app, this.#node)
    let queue = this.#queues.get(subject)
    if (!queue) {
      queue = new LogQueue({ team, app, subject })
      this.#queues.set(subject, queue)
      this.#rates.set(queue, new LogRate())
    }
    return queue
  }

  #forget(): void {
    let oldest: number | undefined
    let largest: LogQueue | undefined
    let bytes = 0
    for (const queue of this.#queues.values()) {
      bytes += queue.bytes
      if (!largest || queue.bytes > largest.bytes) largest = queue
      if (queue.oldest !== undefined) oldest = Math.min(oldest ?? Number.POSITIVE_INFINITY, queue.oldest)
    }
    this.#journal.forget(oldest)
    if (bytes > keepBytes && largest) {
      largest.shed()
      this.counted.shed += 1
    }
  }
}
