import { EventEmitter } from 'node:events'
import type { HoldUsage } from '../fabric/hold.ts'
import { can, type Event, type State, step } from '../model/instance.ts'
import { GuestUnreachable } from '../vm/guest-errors.ts'
import type { MicroVm } from '../vm/micro-vm.ts'
import type { QmpEvent } from '../vm/qmp.ts'
import { type Boost, boostKey } from './boost.ts'
import type { Cgroups } from './cgroup.ts'
import { MemoryLost, WakeFailed } from './instance-errors.ts'
import { Lateness } from './lateness.ts'
import type { MemoryImage } from './memory-image.ts'
import type { Meter, OpenInterval } from './meter.ts'
import type { InstanceRecord } from './record.ts'
import { type Keeper, RunningTime } from './running-time.ts'
import { StayAwake } from './stay-awake.ts'
import { VmSlot } from './vm-slot.ts'
import { type Wake, wasAwake } from './wake.ts'
import { whyEnded } from './why-ended.ts'

/** A guest that neither sets its clock nor stops for so long is broken, and its memory is given up: some ms are usual. */
const brokenAfterMs = 30_000

const lastWordsMs = 150 // a guest powers off when its program ends: what that said may still be on its way

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
  readonly #slot: VmSlot
  readonly #time: RunningTime
  readonly #boost: Boost | undefined
  readonly #boostKey: number
  readonly #lateness: Lateness
  readonly #whyEnded: (vm: MicroVm) => Promise<Error>
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
  /** Memory that is this instance's alone, MiB: as last measured, while it is suspended what it will need again. */
  ownMib: number
  /** When it was first parked; 0 if an earlier agent did that. */
  readyAt = 0

  constructor(options: {
    record: InstanceRecord
    /** Undefined: it is suspended. */
    vm: MicroVm | undefined
    state: State
    image: MemoryImage
    meter: Meter
    boost: Boost | undefined
    cgroups: Pick<Cgroups, 'outOfMemory'>
    interval?: OpenInterval | undefined
  }) {
    super()
    const { record, vm, state, image, meter, boost, cgroups, interval } = options
    this.record = record
    this.#slot = new VmSlot(record.id, image)
    this.#slot.each((one) => this.#follow(one))
    this.#state = state
    this.#time = new RunningTime(record, meter, state === 'starting' ? 'prepare' : 'run', interval)
    this.#boost = boost
    this.#lateness = new Lateness(record.id)
    this.#whyEnded = ({ dir }) => whyEnded(record, dir, cgroups)
    this.#boostKey = boostKey(`${record.team}.${record.app}`)
    this.ownMib = record.suspended?.ownMib ?? 0
    if (vm) this.#slot.fill(vm)
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

  /** Its QEMU process; an instance that is suspended has none. */
  get vm(): MicroVm {
    return this.#slot.vm
  }

  /** Asleep in memory, and nobody is about to change that. */
  get idle(): boolean {
    return this.#state === 'parked' && this.#keepers.size === 0 && !this.#waking && !this.#slot.leaving
  }

  /** Calls it with the QEMU process, and with each later one: a suspended instance comes back in another. */
  eachVm(use: (vm: MicroVm) => void) {
    this.#slot.each(use)
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
    this.readyAt = Date.now()
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
    this.#waking = this.#setClock(this.vm)
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

  /** Writes its memory to the disk and ends its process; somebody who asks for it meanwhile wins. Only while idle. */
  suspend(): Promise<void> {
    if (!this.idle) return Promise.resolve()
    const stillToGo = () => this.#keepers.size === 0 && this.#state === 'parked'
    return this.#slot.empty(this.ownMib, stillToGo, () => this.#move('suspend'))
  }

  /** Brings it back into memory, asleep. Callers share it. */
  async restore(): Promise<void> {
    if (this.#state !== 'suspended') throw new WakeFailed(this.id, `it is ${this.#state}`)
    try {
      await this.#slot.refill(() => can(this.#state, 'restored') && this.#move('restored'))
    } catch (error) {
      if (error instanceof MemoryLost) this.fail(error)
      throw error
    }
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

  /** Ends its process, one that is just going or coming as well. */
  async kill() {
    this.retire()
    await this.#slot.kill()
  }

  #awake(): Promise<Wake> {
    if (this.#waking) return this.#waking
    if (this.#state === 'running' || this.#state === 'starting') return Promise.resolve(wasAwake)
    const waking = this.#state === 'suspended' || this.#slot.leaving ? this.#wakeFromDisk() : this.#wake()
    this.#waking = waking.finally(() => {
      this.#waking = undefined
      this.#lateness.over()
      this.settle() // everybody may have given up while it woke
    })
    waking.then(
      (wake) => this.emit('woke', wake),
      () => {}, // who waits for it hears of that
    )
    return this.#waking
  }

  /** The wake and nothing but the wake: cont and clock, priority, acknowledged. What is only written down comes after. */
  async #wake(): Promise<Wake> {
    const from = this.#state === 'stopping' ? 'running' : 'parked'
    const awake = step(this.#state, from === 'running' ? 'request' : 'wake')
    const { vm } = this
    const begun = performance.now()
    let resumeMs = 0
    this.#resumed = () => {
      resumeMs = performance.now() - begun
    }
    if (from === 'parked') vm.hmp.cont()
    else vm.qmp.send('cont') // after the `stop` that is under way there
    const clock = this.#setClock(vm)
    this.#boost?.raise(vm.process.pid, this.#boostKey) // after them: its helper may take the core that this runs on
    this.#lateness.begin(() => this.emit('late')) // here: what comes from the disk may take its time before
    this.#enter(awake)
    const clockMs = await clock
    return { from, totalMs: performance.now() - begun, resumeMs, clockMs }
  }

  async #setClock(vm: MicroVm): Promise<number> {
    try {
      return await vm.guest.setClock(brokenAfterMs)
    } catch (cause) {
      const isGone = cause instanceof GuestUnreachable
      const error = isGone
        ? await this.#whyEnded(vm)
        : new WakeFailed(this.id, 'its clock was not set in time', { cause })
      this.fail(error)
      throw error
    }
  }

  async #wakeFromDisk(): Promise<Wake> {
    const begun = performance.now()
    await this.#slot.leaving?.catch(() => {}) // who suspends it hears of that
    if (this.#state === 'parked') return this.#wake() // it is still there: we have won
    await this.restore()
    const restoreMs = performance.now() - begun
    if (this.state !== 'parked') throw new WakeFailed(this.id, 'it was ended meanwhile')
    const wake = await this.#wake()
    return { ...wake, from: 'suspended', restoreMs, totalMs: performance.now() - begun }
  }

  #follow(vm: MicroVm) {
    this.#stayAwake.follow(vm.guest)
    vm.qmp.on('event', (event) => this.#onEvent(event))
    vm.qmp.on('closed', () => {
      if (this.#slot.has(vm)) setTimeout(() => void this.#ended(vm), lastWordsMs)
    })
  }

  /** A process that is not in the slot was ended on purpose: what it had is on the disk. */
  async #ended(vm: MicroVm) {
    const why = await this.#whyEnded(vm)
    if (this.#slot.has(vm)) this.fail(why)
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
