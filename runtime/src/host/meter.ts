import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type UsageRecord, usageVersion } from '../model/usage.ts'
import { type FilledSlot, MeterSlots } from './meter-slots.ts'
import { Spool, SpoolFull } from './spool.ts'
import { UsageHeadFile } from './usage-head.ts'
import { type UsageKey, usageKeyPair } from './usage-key.ts'
import { type ClosedInterval, seal } from './usage-seal.ts'

/** Known when an instance begins to run. */
export type IntervalStart = Pick<
  UsageRecord,
  'team' | 'app' | 'release' | 'instance' | 'incarnation' | 'kind' | 'vcpus' | 'memoryMib' | 'startUs'
>
/** Known when it has stopped. */
export type IntervalEnd = Pick<UsageRecord, 'endUs' | 'edges' | 'holds' | 'egressBytes' | 'requests'>

export interface OpenInterval extends Readonly<IntervalStart> {
  /** When the instance was last known to run: where the interval ends if the agent dies now. */
  readonly touchedUs: number
  /** Still running at that time. Costs a write at most once a second. */
  touch(atUs: number): void
  /** Off the path of a wake: writes, but never waits for the disk. A second call does nothing. */
  end(end: IntervalEnd): void
}

export interface MeterOptions {
  /** The meter's own folder in the node's data. */
  dir: string
  node: string
  isolation: UsageRecord['isolation']
}

const touchEveryUs = 1_000_000

/**
 * Who ran from when to when. Open intervals lie in slots, closed ones in the spool, and both survive kill -9 of the
 * agent at any point: an interval is appended to the spool before its slot is freed, and at opening a slot whose
 * interval is already in the spool is just freed.
 */
export class Meter {
  readonly #options: MeterOptions
  readonly #slots: MeterSlots
  readonly #spool: Spool<ClosedInterval>
  readonly #head: UsageHeadFile
  readonly #key: UsageKey
  readonly #unspooled: { start: IntervalStart; end: IntervalEnd; slot: number }[] = []
  /** Left open by the agent's last run: to be resumed (just keep them) or ended (`end({ endUs: interval.touchedUs … })`). */
  readonly leftOpen: OpenInterval[]

  static open(options: MeterOptions): Meter {
    return new Meter(options)
  }

  private constructor(options: MeterOptions) {
    const { dir } = options
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    this.#options = options
    this.#key = usageKeyPair(join(dir, 'usage.key'))
    this.#head = new UsageHeadFile(join(dir, 'head'))
    this.#slots = new MeterSlots(join(dir, 'open'))
    this.#spool = new Spool(join(dir, 'spool'), this.#head.head.sequence)
    this.leftOpen = this.#reopen()
  }

  /** As model/node announces it. */
  get publicKey(): string {
    return this.#key.public
  }

  /** What was found to be damaged at opening, for the log and the metrics. */
  get damage() {
    return { slots: this.#slots.damaged, records: this.#spool.damaged, tornBytes: this.#spool.torn }
  }

  /** Closed intervals that wait for room on the disk. */
  get unspooled(): number {
    return this.#unspooled.length
  }

  /** The last sequence given to a closed interval, and the last one that was acknowledged. */
  get progress() {
    return { closed: this.#spool.last, acknowledged: this.#head.head.sequence }
  }

  /** The first thing after a wake; some µs, no waiting for the disk. */
  begin(start: IntervalStart): OpenInterval {
    return this.#interval(start, this.#slots.fill(JSON.stringify(start), start.startUs), start.startUs)
  }

  /**
   * The next records to send, chained and signed. All of them are on disk, and their slots are free on disk: so nothing
   * that was sent can come back, nor be given another number, after a power cut.
   */
  async nextRecords(limit: number): Promise<UsageRecord[]> {
    this.#spoolAll()
    const { sequence, hash } = this.#head.head
    if (this.#spool.last === sequence) return []
    const closed = this.#spool.read(sequence, limit)
    await this.#slots.sync()
    await this.#spool.sync()
    return seal(closed, hash, this.#key)
  }

  /** They are safe elsewhere: the spool may forget them, once that is on disk. */
  async acknowledge(records: readonly UsageRecord[]): Promise<void> {
    const last = records.at(-1)
    if (!last) return
    await this.#head.advance({ sequence: last.sequence, hash: last.hash })
    this.#spool.forget(last.sequence)
  }

  close(): void {
    this.#slots.close()
    this.#spool.close()
    this.#head.close()
  }

  #interval(start: IntervalStart, slot: number, touchedUs: number): OpenInterval {
    let touched = touchedUs
    let ended = false
    return {
      ...start,
      get touchedUs() {
        return touched
      },
      touch: (atUs) => {
        if (ended || atUs - touched < touchEveryUs) return
        touched = atUs
        this.#slots.touch(slot, atUs)
      },
      end: (end) => {
        if (ended) return
        ended = true
        this.#unspooled.push({ start, end, slot })
        this.#spoolAll()
      },
    }
  }

  /** In their order. While the disk is full they stay in their slots, which have their place on it already. */
  #spoolAll(): void {
    for (let next = this.#unspooled[0]; next; next = this.#unspooled[0]) {
      try {
        this.#close(next.start, next.end)
      } catch (error) {
        if (!(error instanceof SpoolFull)) throw error
        this.#slots.touch(next.slot, next.end.endUs) // where it ends if this process does now
        return
      }
      this.#slots.clear(next.slot)
      this.#unspooled.shift()
    }
  }

  #close(start: IntervalStart, { endUs, edges, holds, egressBytes, requests }: IntervalEnd): void {
    const { node, isolation } = this.#options
    this.#spool.append((sequence) => ({
      version: usageVersion,
      node,
      isolation,
      sequence,
      ...start,
      endUs: Math.max(endUs, start.startUs), // a wall clock that was set back is not the customer's to pay, nor ours
      edges,
      holds,
      egressBytes,
      requests,
    }))
  }

  #reopen(): OpenInterval[] {
    const closed = new Set<string>()
    const { sequence } = this.#head.head
    for (const interval of this.#slots.filled.length > 0 ? this.#spool.read(sequence, Number.POSITIVE_INFINITY) : []) {
      closed.add(identity(interval))
    }
    return this.#slots.filled.flatMap(({ slot, text, touchedUs }: FilledSlot) => {
      const start = JSON.parse(text) as IntervalStart
      if (!closed.has(identity(start))) return [this.#interval(start, slot, Math.max(touchedUs, start.startUs))]
      this.#slots.clear(slot)
      return []
    })
  }
}

/** No two intervals share it. */
const identity = (interval: IntervalStart) => `${interval.instance} ${interval.incarnation} ${interval.startUs}`
