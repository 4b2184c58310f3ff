import type { LogSegment } from '../cluster/subjects.ts'
import type { AppName, TeamId } from '../core/ids.ts'
import { KIB, MIB } from '../core/units.ts'
import type { LogEntry } from './log-journal.ts'
import { lineBytes, said } from './log-rate.ts'

const segmentBytes = 64 * KIB
/** What one app may keep in the agent's memory while its lines cannot be sent. */
const keepBytes = 1 * MIB
/** NATS acknowledges log segments before they are on its disk: what it may still lose is kept for as long. */
const rememberedMs = 2_000

/** One app's lines on their way out: kept until they are stored, oldest given up first. */
export class LogQueue {
  readonly team: TeamId
  readonly app: AppName
  readonly subject: string
  /** What is stored already is not known: after a start of the agent, a failed sending, an outage. */
  unsure = true
  #entries: LogEntry[] = []
  #stored: { entries: LogEntry[]; at: number }[] = []
  #tooOld = 0
  /** How many of these the segment under way tells of. */
  #told = 0
  bytes = 0

  constructor({ team, app, subject }: { team: TeamId; app: AppName; subject: string }) {
    this.team = team
    this.app = app
    this.subject = subject
  }

  get isEmpty(): boolean {
    return this.#entries.length === 0
  }

  get isSegmentFull(): boolean {
    return this.bytes >= segmentBytes
  }

  /** The number of the oldest line that is not known to be stored. */
  get oldest(): number | undefined {
    return this.#entries[0]?.sequence
  }

  push(entry: LogEntry): void {
    this.#entries.push(entry)
    this.bytes += lineBytes(entry)
    if (this.bytes > keepBytes) this.shed()
  }

  /** The next lines to send, after a line about those that had to go before them. They stay here until `stored`. */
  segment(): LogSegment {
    let bytes = 0
    let count = 0
    for (const entry of this.#entries) {
      bytes += lineBytes(entry)
      if (count > 0 && bytes > segmentBytes) break
      count += 1
    }
    const entries = this.#entries.slice(0, count)
    const lines = entries.map(({ sequence: _, team: _team, app: _app, ...line }) => line)
    const text = `${this.#tooOld} lines were dropped: they could not be sent and memory is bounded`
    this.#told = this.#tooOld
    if (this.#tooOld > 0 && lines[0]) lines.unshift(said(lines[0], text))
    return { lines, upTo: entries.at(-1)?.sequence ?? 0 }
  }

  /** The segment has been acknowledged. */
  sent({ upTo }: LogSegment): void {
    this.#tooOld -= this.#told
    this.stored(upTo)
  }

  /** Everything up to that number is in the stream. */
  stored(upTo: number, now = Date.now()): void {
    let count = 0
    while ((this.#entries[count]?.sequence ?? Number.POSITIVE_INFINITY) <= upTo) count += 1
    const entries = this.#entries.splice(0, count)
    for (const entry of entries) this.bytes -= lineBytes(entry)
    this.#stored = this.#stored.filter(({ at }) => now - at < rememberedMs)
    if (entries.length > 0) this.#stored.push({ entries, at: now })
    this.unsure = false
  }

  /** NATS may have lost what it took last, or taken what it did not acknowledge: it is to be asked before the next sending. */
  doubt(now = Date.now()): void {
    const again = this.#stored.filter(({ at }) => now - at < rememberedMs).flatMap(({ entries }) => entries)
    this.#stored = []
    this.#entries = [...again, ...this.#entries]
    for (const entry of again) this.bytes += lineBytes(entry)
    this.unsure = true
  }

  /** Gives up the oldest quarter at once: line by line would move the whole array for each. */
  shed(): void {
    const goal = this.bytes * 0.75
    let count = 0
    while (this.bytes > goal && count < this.#entries.length - 1) this.bytes -= lineBytes(this.#entries[count++]!)
    this.#entries.splice(0, count)
    this.#tooOld += count
  }
}
