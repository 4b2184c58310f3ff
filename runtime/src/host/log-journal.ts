import type { LogLine } from '../cluster/subjects.ts'
import type { AppName, TeamId } from '../core/ids.ts'
import { Spool } from './spool.ts'

/** A line with its number; the numbers of a node grow for ever, over all of its apps. */
export interface LogEntry extends LogLine {
  sequence: number
  team: TeamId
  app: AppName
}

/** Segments of 1 MiB: what is kept at the most while NATS takes nothing. */
const keepSegments = 64

/**
 * Every line that came from a guest and is not known to be stored, so that a kill -9 of the agent loses none. Written
 * without waiting for the disk; a disk that is full costs this safety, not the log.
 */
export class LogJournal {
  readonly #spool: Spool<LogEntry>

  constructor(dir: string) {
    this.#spool = new Spool(dir, 0)
    // A journal that was lost must not give numbers again that the streams know already.
    if (this.#spool.last === 0) this.#spool.last = Date.now() * 1000
  }

  /** What the last agent may not have sent. */
  left(): LogEntry[] {
    return this.#spool.read(0, Number.POSITIVE_INFINITY)
  }

  append(line: Omit<LogEntry, 'sequence'>): LogEntry {
    try {
      return this.#spool.append((sequence) => ({ sequence, ...line }))
    } catch {
      this.#spool.last += 1
      return { sequence: this.#spool.last, ...line }
    }
  }

  /** Everything before that number is stored, or given up; undefined: everything there is. */
  forget(before: number | undefined): void {
    this.#spool.forget((before ?? this.#spool.last + 1) - 1)
    this.#spool.trim(keepSegments)
  }

  close(): void {
    this.#spool.close()
  }
}
