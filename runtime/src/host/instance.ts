import { EventEmitter } from 'node:events'
import type { Grant, HoldUsage } from '../fabric/hold.ts'
import { can, type Event, type State, step } from '../model/instance.ts'
import { GuestUnreachable } from '../vm/guest-errors.ts'
import type { MicroVm } from '../vm/micro-vm.ts'
import type { QmpEvent } from '../vm/qmp.ts'
import { type Boost, boostKey } from './boost.ts'
import type { Cgroups } from './cgroup.ts'
import { WakeFailed } from './instance-errors.ts'
import { Lateness } from './lateness.ts'
import type { Meter, OpenInterval } from './meter.ts'
import type { InstanceRecord } from './record.ts'
import { type Keeper, RunningTime } from './running-time.ts'
import { StayAwake } from './stay-awake.ts'
import { whyEnded } from './why-ended.ts'

export { WakeFailed } from './instance-errors.ts'
export type { Keeper } from './running-time.ts'

/**
 * A guest that neither sets its clock nor stops for so long is broken, and its memory is given up for that: so this is
 * far beyond what any load explains (some ms are usual). Requests have deadlines of their own.
 */
const brokenAfterMs = 30_000

/** A guest whose program has ended says so and powers off: what it said last names the reason, and may be on its way. */
const lastWordsMs = 150

/** What a wake took, and where from. */
export type Wake = Grant['timing'] & { from: Grant['from'] }

const wasAwake: Wake = { from: 'running', totalMs: 0, resumeMs: 0, clockMs: 0 }

/**
 * One microVM of a release and its life (model/instance.ts). It runs exactly while somebody keeps it: the last keeper's
 * leaving stops it. What it ran is metered between QEMU's own RESUME and STOP.
 */
export class Instance extends EventEmitter<{
  changed: []
  broken: [Error]
  late: []
  woke: [Wake]
  says: [line: string]
}> {
  readonly record: InstanceRecord
  readonly vm: MicroVm
  readonly #time: RunningTime
  readonly #boost: Boost | undefined
  readonly #boostKey: number
  readonly #lateness: Lateness
  readonly #whyEnded: () => Promise<Error>
  readonly #keepers = new Map<string, Keeper>()
  readonly #stayAwake = new StayAwake(this)
  #state: State
  #waking: Promise<Wake> | undefined
  #resumed: (() => void) | undefined
  #stopTimer: NodeJS.Timeout | undefined
  /** By the image's HEALTHCHECK; undefined: it has none. An unhealthy one gets no more requests. */
  health: 'healthy' | 'failing' | 'unhealthy' | undefined
  requests = 0
  sinceMs = Date.now()
  lastUsedAt = Date.now()

  constructor(options: {
    record: InstanceRecord
    vm: MicroVm
    state: State
    meter: Meter
    boost: Boost | undefined
    cgroups: Pick<Cgroups, 'outOfMemory'>
    interval?: OpenInterval | undefined
  }) {
    super()
    const { record, vm, state, meter, boost, cgroups, interval } = options
    this.record = record
    this.#state = state
    this.#time = new RunningTime(record, meter, state === 'starting' ? 'prepare' : 'run', interval)
    this.#boost = boost
    this.#lateness = new Lateness(record.id)
    this.#whyEnded = () => whyEnded(record, vm.dir, cgroups)
    this.#boostKey = boostKey(`${record.team}.${record.app}`)
    this.vm = vm
    this.#stayAwake.follow(vm.guest)
    vm.qmp.on('event', (event) => this.#onEvent(event))
    vm.qmp.on('closed', () => {
      setTimeout(async () => this.fail(await this.#whyEnded()), lastWordsMs)
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
  async keep(keeper: Keeper): Promise<Wake> {
    const awake = this.#awake() // first of all: what is written down here, the guest need not wait for
    this.#keepers.set(keeper.id, keeper)
    this.lastUsedAt = Date.now()
    this.#time.serve(keeper)
    try {
      return await awake
    } catch (error) {
      this.#keepers.delete(keeper.id)
      throw error
    }
  }

  /** As `keep`, for a request that has a deadline: throws WakeLate when another instance is better started for it. */
  async keepSoon(keeper: Keeper): Promise<Wake> {
    try {
      return await this.#lateness.orLate(this.keep(keeper))
    } catch (error) {
      this.#keepers.delete(keeper.id)
      throw error
    }
  }

  /** It has been waking for too long. */
  get isLate(): boolean {
    return this.#lateness.isLate
  }

  /** The keeper leaves; the last one's leaving stops the instance. */
  release(id: string, usage?: HoldUsage) {
    if (!this.#keepers.has(id)) return
    if (usage) this.account(id, usage)
    this.#keepers.delete(id)
    this.#time.forget(id)
    this.lastUsedAt = Date.now()
    this.settle()
  }

  /** Takes an edge's running totals into the open interval. */
  account(id: string, usage: HoldUsage) {
    const keeper = this.#keepers.get(id)
    if (!keeper) return
    keeper.usage = usage
    this.requests += this.#time.account(keeper, usage)
  }

  /** Lets a restored guest run for the first time; what it runs until `ready` is preparation. */
  async begin(starter: string) {
    this.#keepers.set(starter, { id: starter })
    await this.vm.qmp.execute('cont', undefined, brokenAfterMs)
  }

  /** The start is over: from now on its running time is billed. The caller has kept it until here. */
  async ready(starter: string) {
    this.#keepers.delete(starter)
    await this.#stayAwake.rest(this.vm.guest)
    await this.vm.qmp.execute('stop', undefined, brokenAfterMs)
    this.#time.kind = 'run'
    this.#move('ready')
    if (this.#keepers.size > 0) await this.#awake()
  }

  /**
   * It was found alive. What an earlier agent had open goes on if it still runs, and ends where it was last seen if it
   * was stopped since; a guest that runs may have been in the middle of its wake, so it is told the time.
   */
  adopted(atUs: number) {
    if (this.#state === 'parked') return this.#time.endWhereSeen()
    this.#time.begin(atUs)
    this.#waking = this.#setClock()
      .then((clockMs): Wake => ({ ...wasAwake, totalMs: clockMs, clockMs }))
      .finally(() => {
        this.#waking = undefined
      })
    this.#waking.catch(() => {}) // `broken` tells
  }

  cutInterval(atUs: number) {
    this.#time.cut(atUs, this.#keepers.values())
  }

  touch(atUs: number) {
    this.#time.touch(atUs)
  }

  /** Stops it if nobody keeps it. In the middle of a wake that would leave its clock unset: then the wake's end does it. */
  settle() {
    if (this.#keepers.size === 0 && !this.#waking && can(this.#state, 'letGo')) this.#sleep()
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
    this.#stayAwake.end()
    this.#time.end(Date.now() * 1000)
  }

  /** Ends its process. */
  async kill() {
    this.retire()
    await this.vm.kill()
    await this.vm.process.gone()
  }

  #awake(): Promise<Wake> {
    if (this.#waking) return this.#waking
    if (this.#state === 'running' || this.#state === 'starting') return Promise.resolve(wasAwake)
    this.#lateness.begin(() => this.emit('late'))
    this.#waking = this.#wake().finally(() => {
      this.#waking = undefined
      this.#lateness.over()
      this.settle() // everybody may have given up while it woke
    })
    return this.#waking
  }

  /** The wake and nothing but the wake: cont and clock, priority, acknowledged. What is only written down comes after. */
  async #wake(): Promise<Wake> {
    const from = this.#state === 'stopping' ? 'running' : 'parked'
    const awake = step(this.#state, from === 'running' ? 'request' : 'wake')
    const begun = performance.now()
    let resumeMs = 0
    this.#resumed = () => {
      resumeMs = performance.now() - begun
    }
    if (from === 'parked') this.vm.hmp.cont()
    else this.vm.qmp.send('cont') // after the `stop` that is under way there
    const clock = this.#setClock()
    this.#boost?.raise(this.vm.process.pid, this.#boostKey) // after them: its helper may take the core that this runs on
    this.#enter(awake)
    const clockMs = await clock
    const wake: Wake = { from, totalMs: performance.now() - begun, resumeMs, clockMs }
    this.emit('woke', wake)
    return wake
  }

  async #setClock(): Promise<number> {
    try {
      return await this.vm.guest.setClock(brokenAfterMs)
    } catch (cause) {
      const isGone = cause instanceof GuestUnreachable
      const error = isGone
        ? await this.#whyEnded()
        : new WakeFailed(this.id, 'its clock was not set in time', { cause })
      this.fail(error)
      throw error
    }
  }

  /** Asks the guest first: files may keep it awake, and its sleep hook has its turn. A request meanwhile calls that off. */
  #sleep() {
    this.#move('letGo')
    void this.#stayAwake.rest(this.vm.guest).then(() => this.#stop())
  }

  #stop() {
    if (this.#state !== 'stopping') return // a request, or files inside, came first
    this.vm.qmp.send('stop')
    clearTimeout(this.#stopTimer)
    this.#stopTimer = setTimeout(() => {
      if (this.#state === 'stopping') this.fail(new WakeFailed(this.id, 'its QEMU process does not stop it'))
    }, brokenAfterMs)
  }

  #onEvent({ event, atUs }: QmpEvent) {
    if (event === 'RESUME') {
      if (this.#state !== 'broken') this.#time.begin(atUs)
      this.#resumed?.()
    } else if (event === 'STOP') {
      this.#time.end(atUs)
      // If a request came in the meantime the state is `running` already, and RESUME follows.
      if (this.#state === 'stopping') this.#move('stopped')
      clearTimeout(this.#stopTimer)
    }
  }

  #move(event: Event) {
    this.#enter(step(this.#state, event))
  }

  #enter(state: State) {
    this.#state = state
    this.sinceMs = Date.now()
    this.emit('changed')
  }
}
