import type { HoldUsage } from '../fabric/hold.ts'
import type { Meter, OpenInterval } from './meter.ts'
import type { InstanceRecord } from './record.ts'
import { stayAwakeKeeper } from './stay-awake.ts'

/** Whoever keeps an instance awake: an edge's hold, an exec session, its own start, files inside (stay-awake.ts). */
export interface Keeper {
  id: string
  /** The edge, or undefined for keepers on this machine. */
  edge?: string
  usage?: HoldUsage
}

/** What one instance ran, between QEMU's own RESUME and STOP, and for whom: its usage records. */
export class RunningTime {
  readonly #record: InstanceRecord
  readonly #meter: Meter
  /** Keepers of the open interval, those that have left too: they are named in its usage record. */
  readonly #served = new Map<string, { edge: string | undefined; requests: number; egressBytes: number }>()
  readonly #counted = new Map<string, { requests: number; egressBytes: number }>()
  #interval: OpenInterval | undefined
  /** What it runs while it starts is not billed. */
  kind: 'run' | 'prepare'

  constructor(record: InstanceRecord, meter: Meter, kind: 'run' | 'prepare', interval: OpenInterval | undefined) {
    this.#record = record
    this.#meter = meter
    this.kind = kind
    this.#interval = interval
  }

  begin(startUs: number) {
    if (this.#interval) return
    const { team, app, release, id: instance, incarnation, vcpus, memoryMib } = this.#record
    const of = { team, app, release, instance, incarnation, kind: this.kind, vcpus, memoryMib }
    this.#interval = this.#meter.begin({ ...of, startUs })
  }

  end(endUs: number) {
    if (!this.#interval) return
    const served = [...this.#served.entries()]
    this.#interval.end({
      endUs,
      edges: [...new Set(served.flatMap(([, { edge }]) => edge ?? []))],
      holds: served.filter(([id, { edge }]) => edge !== undefined || id === stayAwakeKeeper).map(([id]) => id),
      egressBytes: served.reduce((sum, [, { egressBytes }]) => sum + egressBytes, 0),
      requests: served.reduce((sum, [, { requests }]) => sum + requests, 0),
    })
    this.#interval = undefined
    this.#served.clear()
  }

  /** Nobody saw how much longer it ran: the time in between is the customer's. */
  endWhereSeen() {
    if (this.#interval) this.end(this.#interval.touchedUs)
  }

  /** Ends the open interval and begins the next at the same moment, so that long runs show in the costs as they go. */
  cut(atUs: number, keepers: Iterable<Keeper>) {
    if (!this.#interval) return
    this.end(atUs)
    this.begin(atUs)
    for (const keeper of keepers) this.serve(keeper)
  }

  touch(atUs: number) {
    this.#interval?.touch(atUs)
  }

  serve(keeper: Keeper) {
    let served = this.#served.get(keeper.id)
    if (!served) {
      served = { edge: keeper.edge, requests: 0, egressBytes: 0 }
      this.#served.set(keeper.id, served)
    }
    return served
  }

  /** Takes an edge's running totals into the open interval; returns how many requests are new. */
  account(keeper: Keeper, { requests, egressBytes }: HoldUsage): number {
    const before = this.#counted.get(keeper.id) ?? { requests: 0, egressBytes: 0 }
    const served = this.serve(keeper)
    const fresh = Math.max(0, requests - before.requests)
    served.requests += fresh
    served.egressBytes += Math.max(0, egressBytes - before.egressBytes)
    this.#counted.set(keeper.id, { requests, egressBytes })
    return fresh
  }

  /** The keeper has left: its totals will not go on. */
  forget(keeper: string) {
    this.#counted.delete(keeper)
  }
}
