import { EventEmitter } from 'node:events'
import { LittleError } from '../core/errors.ts'
import type { HoldUsage } from '../fabric/hold.ts'
import { can, type Event, type State, step } from '../model/instance.ts'
import type { MicroVm } from '../vm/micro-vm.ts'
import type { QmpEvent } from '../vm/qmp.ts'
import type { Boost } from './boost.ts'
import type { Meter, OpenInterval } from './meter.ts'
import type { InstanceRecord } from './record.ts'

/**
 * A guest that neither sets its clock nor stops for so long is broken, and its memory is given up for that: so this is
 * far beyond what any load explains (some ms are usual). Requests have deadlines of their own.
 */
const brokenAfterMs = 30_000

/** A guest whose program has ended says so and powers off: what it said last names the reason, and may be on its way. */
const lastWordsMs = 150

export interface WakeTiming {
  totalMs: number
  resumeMs: number
  clockMs: number
}

/** Whoever keeps an instance awake: an edge's hold, an exec session, its own start. */
export interface Keeper {
  id: string
  /** The edge, or undefined for keepers on this machine. */
  edge?: string
  usage?: HoldUsage
}

export class WakeFailed extends LittleError {
  readonly code = 'instance.wake_failed'
  readonly status = 503
  readonly hint = 'The host ends this instance and starts another; try again in a moment'
  constructor(id: string, reason: string, options?: { cause?: unknown }) {
    super(`instance ${id} did not wake: ${reason}`, options)
  }
}

/**
 * One microVM of a release and its life (model/instance.ts). It runs exactly while somebody keeps it: the last keeper's
 * leaving stops it. What it ran is metered between QEMU's own RESUME and STOP.
 */
export class Instance extends EventEmitter<{ changed: []; broken: [Error] }> {
  readonly record: InstanceRecord
  readonly vm: MicroVm
  readonly #meter: Meter
  readonly #boost: Boost | undefined
  readonly #boostKey: number
  readonly #keepers = new Map<string, Keeper>()
  /** Keepers of the open interval, those that have left too: they are named in its usage record. */
  readonly #served = new Map<string, { edge: string | undefined; requests: number; egressBytes: number }>()
  readonly #counted = new Map<string, { requests: number; egressBytes: number }>()
  #state: State
  #kind: 'run' | 'prepare'
  #interval: OpenInterval | undefined
  #waking: Promise<WakeTiming> | undefined
  #resumed: (() => void) | undefined
  #stopTimer: NodeJS.Timeout | undefined
  requests = 0
  sinceMs = Date.now()
  lastUsedAt = Date.now()

  constructor(options: {
    record: InstanceRecord
    vm: MicroVm
    state: State
    meter: Meter
    boost: Boost | undefined
    interval?: OpenInterval | undefined
  }) {
    super()
    const { record, vm, state, meter, boost, interval } = options
    this.record = record
    this.vm = vm
    this.#state = state
    this.#kind = state === 'starting' ? 'prepare' : 'run'
    this.#meter = meter
    this.#boost = boost
    this.#boostKey = boostKey(record)
    this.#interval = interval
    vm.qmp.on('event', (event) => this.#onEvent(event))
    vm.qmp.on('closed', () => {
      setTimeout(() => this.fail(new WakeFailed(record.id, 'its QEMU process ended')), lastWordsMs)
    })
  }

  get id() {
    return this.record.id
  }

  get state() {
    return this.#state
  }

  get keepers(): ReadonlyMap<string, Keeper> {
    return this.#keepers
  }

  /** Keeps it awake until `release`; wakes it if it sleeps. Callers share one wake. */
  async keep(keeper: Keeper): Promise<WakeTiming> {
    this.#keepers.set(keeper.id, keeper)
    this.lastUsedAt = Date.now()
    this.#serve(keeper)
    try {
      return await this.#awake()
    } catch (error) {
      this.#keepers.delete(keeper.id)
      throw error
    }
  }

  /** The keeper leaves; the last one's leaving stops the instance. */
  release(id: string, usage?: HoldUsage) {
    const keeper = this.#keepers.get(id)
    if (!keeper) return
    if (usage) this.account(id, usage)
    this.#keepers.delete(id)
    this.#counted.delete(id)
    this.lastUsedAt = Date.now()
    this.settle()
  }

  /** Takes an edge's running totals into the open interval. */
  account(id: string, usage: HoldUsage) {
    const keeper = this.#keepers.get(id)
    if (!keeper) return
    keeper.usage = usage
    const before = this.#counted.get(id) ?? { requests: 0, egressBytes: 0 }
    const served = this.#serve(keeper)
    const requests = Math.max(0, usage.requests - before.requests)
    served.requests += requests
    served.egressBytes += Math.max(0, usage.egressBytes - before.egressBytes)
    this.requests += requests
    this.#counted.set(id, { requests: usage.requests, egressBytes: usage.egressBytes })
  }

  /** Lets a restored guest run for the first time; what it runs until `ready` is preparation. */
  async begin(starter: string) {
    this.#keepers.set(starter, { id: starter })
    await this.vm.qmp.execute('cont', undefined, brokenAfterMs)
  }

  /** The start is over: from now on its running time is billed. The caller has kept it until here. */
  async ready(starter: string) {
    this.#keepers.delete(starter)
    await this.#stopAndWait()
    this.#kind = 'run'
    this.#move('ready')
    if (this.#keepers.size > 0) await this.#awake()
  }

  /** Ends the open interval and begins the next at the same moment, so that long runs show in the costs as they go. */
  cutInterval(atUs: number) {
    if (!this.#interval) return
    this.#endInterval(atUs)
    this.#beginInterval(atUs)
    for (const keeper of this.#keepers.values()) this.#serve(keeper)
  }

  /** Stops it if nobody keeps it. In the middle of a wake that would leave its clock unset: then the wake's end does it. */
  settle() {
    if (this.#keepers.size === 0 && !this.#waking && can(this.#state, 'letGo')) this.#sleep()
  }

  touch(atUs: number) {
    this.#interval?.touch(atUs)
  }

  /** Marks it broken, once; its holders hear of it and the fleet cleans up. */
  fail(error: Error) {
    if (!can(this.#state, 'failed')) return
    this.retire()
    this.emit('broken', error)
  }

  /** It is about to be taken away on purpose: as `fail`, but nobody is told. */
  retire() {
    if (!can(this.#state, 'failed')) return
    this.#move('failed')
    clearTimeout(this.#stopTimer)
    this.#endInterval(Date.now() * 1000)
  }

  #awake(): Promise<WakeTiming> {
    if (this.#waking) return this.#waking
    if (this.#state === 'running' || this.#state === 'starting') {
      return Promise.resolve({ totalMs: 0, resumeMs: 0, clockMs: 0 })
    }
    this.#move(this.#state === 'stopping' ? 'request' : 'wake')
    this.#waking = this.#wake().finally(() => {
      this.#waking = undefined
      this.settle() // everybody may have given up while it woke
    })
    return this.#waking
  }

  /** The wake and nothing but the wake: priority, cont, clock, acknowledged. */
  async #wake(): Promise<WakeTiming> {
    const begun = performance.now()
    let resumeMs = 0
    this.#resumed = () => {
      resumeMs = performance.now() - begun
    }
    this.#boost?.raise(this.vm.process.pid, this.#boostKey)
    this.vm.qmp.send('cont')
    try {
      const clockMs = await this.vm.guest.setClock(brokenAfterMs)
      return { totalMs: performance.now() - begun, resumeMs, clockMs }
    } catch (cause) {
      const error = new WakeFailed(this.id, 'its clock was not set in time', { cause })
      this.fail(error)
      throw error
    }
  }

  #sleep() {
    this.#move('letGo')
    this.vm.qmp.send('stop')
    clearTimeout(this.#stopTimer)
    this.#stopTimer = setTimeout(() => {
      if (this.#state === 'stopping') this.fail(new WakeFailed(this.id, 'its QEMU process does not stop it'))
    }, brokenAfterMs)
  }

  async #stopAndWait() {
    await this.vm.qmp.execute('stop', undefined, brokenAfterMs)
  }

  #onEvent({ event, atUs }: QmpEvent) {
    if (event === 'RESUME') {
      if (!this.#interval && this.#state !== 'broken') this.#beginInterval(atUs)
      this.#resumed?.()
    } else if (event === 'STOP') {
      this.#endInterval(atUs)
      // If a request came in the meantime the state is `running` already, and RESUME follows.
      if (this.#state === 'stopping') this.#move('stopped')
      clearTimeout(this.#stopTimer)
    }
  }

  #beginInterval(startUs: number) {
    const { team, app, release, id, incarnation, vcpus, memoryMib } = this.record
    const kind = this.#kind
    this.#interval = this.#meter.begin({
      team,
      app,
      release,
      instance: id,
      incarnation,
      kind,
      vcpus,
      memoryMib,
      startUs,
    })
  }

  #endInterval(endUs: number) {
    if (!this.#interval) return
    const served = [...this.#served.entries()]
    this.#interval.end({
      endUs,
      edges: [...new Set(served.flatMap(([, { edge }]) => edge ?? []))],
      holds: served.filter(([, { edge }]) => edge !== undefined).map(([id]) => id),
      egressBytes: served.reduce((sum, [, { egressBytes }]) => sum + egressBytes, 0),
      requests: served.reduce((sum, [, { requests }]) => sum + requests, 0),
    })
    this.#interval = undefined
    this.#served.clear()
  }

  #serve(keeper: Keeper) {
    let served = this.#served.get(keeper.id)
    if (!served) {
      served = { edge: keeper.edge, requests: 0, egressBytes: 0 }
      this.#served.set(keeper.id, served)
    }
    return served
  }

  #move(event: Event) {
    this.#state = step(this.#state, event)
    this.sinceMs = Date.now()
    this.emit('changed')
  }
}

/** Real-time priority is rationed per app, not per instance: a small number for the app's name. */
function boostKey({ team, app }: InstanceRecord): number {
  let hash = 0
  for (const character of `${team}.${app}`) hash = (hash * 31 + character.charCodeAt(0)) >>> 0
  return hash
}
