import type { LogLine } from '../cluster/subjects.ts'
import { KIB, MIB } from '../core/units.ts'

const segmentBytes = 64 * KIB
/** What one app may keep in the agent's memory while NATS is away. */
const keepBytes = 1 * MIB
/** What an app may print over time, and at once; more floods the disk of everybody's log stream. */
const bytesPerSecond = 256 * KIB
const burstBytes = 4 * MIB
/** Instance, time and JSON around a text; roughly. */
const lineOverheadBytes = 80

/** One app's lines on their way out. Bounded twice: by what it may keep and by what it may print per second. */
export class LogQueue {
  readonly subject: string
  #lines: LogLine[] = []
  #bytes = 0
  #tokens = burstBytes
  #refilledAt: number
  #tooFast = 0
  #tooOld = 0

  constructor(subject: string, now = Date.now()) {
    this.subject = subject
    this.#refilledAt = now
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0 && this.#tooOld === 0
  }

  get isSegmentFull(): boolean {
    return this.#bytes >= segmentBytes
  }

  add(line: LogLine): void {
    const bytes = size(line)
    this.#tokens = Math.min(burstBytes, this.#tokens + ((line.at - this.#refilledAt) / 1000) * bytesPerSecond)
    this.#refilledAt = line.at
    if (line.stream !== 'system' && bytes > this.#tokens) {
      this.#tooFast += 1
      return
    }
    this.#tokens -= bytes
    if (this.#tooFast > 0) {
      this.#push(said(line, `${this.#tooFast} lines were dropped: more than ${bytesPerSecond / KIB} KiB/s for long`))
      this.#tooFast = 0
    }
    this.#push(line)
  }

  /** The next segment's lines, with a line about those that had to go before them. */
  take(): LogLine[] {
    const taken: LogLine[] = []
    let bytes = 0
    let count = 0
    for (const line of this.#lines) {
      bytes += size(line)
      if (count > 0 && bytes > segmentBytes) break
      count += 1
    }
    const lines = this.#lines.splice(0, count)
    for (const line of lines) this.#bytes -= size(line)
    if (this.#tooOld > 0 && lines[0]) {
      taken.push(said(lines[0], `${this.#tooOld} lines were dropped: they could not be sent and memory is bounded`))
      this.#tooOld = 0
    }
    return [...taken, ...lines]
  }

  /** They could not be sent: first again, if there is still room. */
  putBack(lines: LogLine[]): void {
    this.#lines.unshift(...lines)
    for (const line of lines) this.#bytes += size(line)
    this.#bound()
  }

  #push(line: LogLine): void {
    this.#lines.push(line)
    this.#bytes += size(line)
    this.#bound()
  }

  #bound(): void {
    if (this.#bytes <= keepBytes) return
    let count = 0
    // A quarter at once: dropping line by line would move the whole array for each.
    while (this.#bytes > keepBytes * 0.75 && count < this.#lines.length - 1) this.#bytes -= size(this.#lines[count++]!)
    this.#lines.splice(0, count)
    this.#tooOld += count
  }
}

const size = (line: LogLine) => line.text.length + lineOverheadBytes
const said = ({ at, instance }: LogLine, text: string): LogLine => ({ at, instance, stream: 'system', text })
