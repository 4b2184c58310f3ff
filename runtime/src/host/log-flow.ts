import { KIB, MIB } from '../core/units.ts'

/** What an instance's output may cost the agent, whatever becomes of the lines: taking bytes apart is work too. */
const bytesPerSecond = 1 * MIB
const burstBytes = 4 * MIB
const pauseMs = 100
/** A byte that ends a line costs as much as this many others. */
const lineCostBytes = 32

export interface LogReader {
  pauseLog(): void
  resumeLog(): void
}

/**
 * Holds up a program that prints faster than the agent is willing to read, as a full pipe does: it shares the agent's
 * one thread with everybody's wakes. Output that is merely too much for the log is dropped (log-rate.ts), not held up.
 */
export class LogFlow {
  readonly #reader: LogReader
  #tokens = burstBytes
  #refilledAt = performance.now()
  #paused: NodeJS.Timeout | undefined

  constructor(reader: LogReader) {
    this.#reader = reader
  }

  /** So many bytes and lines were read. */
  took(bytes: number, lines: number): void {
    const now = performance.now()
    this.#tokens = Math.min(burstBytes, this.#tokens + ((now - this.#refilledAt) / 1000) * bytesPerSecond)
    this.#refilledAt = now
    this.#tokens -= bytes + lines * lineCostBytes
    if (this.#tokens >= -64 * KIB || this.#paused) return
    this.#reader.pauseLog()
    this.#paused = setTimeout(() => {
      this.#paused = undefined
      this.#reader.resumeLog()
    }, pauseMs)
  }

  close(): void {
    clearTimeout(this.#paused)
  }
}
