import type { LogLine } from '../cluster/subjects.ts'
import { KIB, MIB } from '../core/units.ts'

/** What an app may print over time, and at once: what everybody's lines have to go through is one NATS. */
const bytesPerSecond = 256 * KIB
const burstBytes = 4 * MIB
/** Instance, time and JSON around a text; roughly. */
const lineOverheadBytes = 80

export const lineBytes = ({ text }: Pick<LogLine, 'text'>) => text.length + lineOverheadBytes

/** Bounds what one app's log takes in, and says in the log itself how many lines had to go. */
export class LogRate {
  #tokens = burstBytes
  #refilledAt: number
  #dropped = 0
  /** All that were ever dropped. */
  droppedLines = 0

  constructor(now = Date.now()) {
    this.#refilledAt = now
  }

  /** The lines that may go on: none, this one, or before it one about those that were dropped. */
  admit(line: LogLine): LogLine[] {
    const bytes = lineBytes(line)
    this.#tokens = Math.min(burstBytes, this.#tokens + ((line.at - this.#refilledAt) / 1000) * bytesPerSecond)
    this.#refilledAt = line.at
    if (line.stream !== 'system' && bytes > this.#tokens) {
      this.#dropped += 1
      this.droppedLines += 1
      return []
    }
    this.#tokens -= bytes
    if (this.#dropped === 0) return [line]
    const text = `${this.#dropped} lines were dropped: this app writes more than ${bytesPerSecond / KIB} KiB/s`
    this.#dropped = 0
    return [said(line, text), line]
  }
}

/** A line of ours at the place of another one. */
export const said = ({ at, instance, release }: LogLine, text: string): LogLine => ({
  at,
  instance,
  release,
  stream: 'system',
  text,
})
