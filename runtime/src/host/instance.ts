import { EventEmitter } from 'node:events'
import type { HoldUsage } from '../fabric/hold.ts'
import { can, type Event, type State, step } from '../model/instance.ts'
import type { ProcessIdentity } from '../vm/launch.ts'
import type { MicroVm } from '../vm/micro-vm.ts'
import type { QmpEvent } from '../vm/qmp.ts'
import { MemoryLost, WakeFailed } from './instance-errors.ts'
import type { InstanceEvents, InstanceParts } from './instance-parts.ts'
import { Lateness } from './lateness.ts'
import { Motion } from './motion.ts'
import type { InstanceRecord } from './record.ts'
import { type Keeper, RunningTime } from './running-time.ts'
import { StayAwake } from './stay-awake.ts'
import { VmSlot } from './vm-slot.ts'
import { type Wake, wasAwake } from './wake.ts'

/**
 * One microVM of a release and its life (model/instance.ts). It runs exactly while somebody keeps it: the last keeper's
 * leaving stops it. What it ran is metered between QEMU's own RESUME and STOP.
 */
export class Instance extends EventEmitter<InstanceEvents> {
  readonly record: InstanceRecord
  readonly #slot: VmSlot
  readonly #time: RunningTime
  readonly #motion: Motion
  readonly #lateness: Lateness
  readonly #keepers = new Map<string, Keeper>()
  readonly #stayAwake = new StayAwake(this)
  #state: State
  #waking: Promise<Wake> | undefined
  /** By the image's HEALTHCHECK; undefined: it has none. An unhealthy one gets no more requests. */
  health: 'healthy' | 'failing' | 'unhealthy' | undefined
  requests = 0
  sinceMs = Date.now()
  lastUsedAt = Date.now()
  /** Memory that is this instance's alone, MiB: as last measured, while it is suspended what it will need again. */
  ownMib: number
  /** When it was first parked; 0 if an earlier agent did that. */
  readyAt = 0

  constructor({ record, vm, state, image, meter, boost, cgroups, interval }: InstanceParts) {
    super()
    this.record = record
    this.#slot = new VmSlot(record.id, image)
    this.#slot.each((one) => this.#follow(one))
    this.#state = state
    this.#time = new RunningTime(record, meter, state === 'starting' ? 'prepare' : 'run', interval)
    this.#lateness = new Lateness(record.id)
    this.#motion = new Motion(record, boost, cgroups)
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

  get process(): ProcessIdentity | undefined {
    return this.#slot.process
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
    await this.#motion.begin(this.vm)
  }

  /** The start is over: from now on its running time is billed. The caller has kept it until here. */
  async ready(starter: string) {
    this.#keepers.delete(starter)
    await this.#stayAwake.rest(this.vm.guest)
    await this.#motion.park(this.vm)
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
    this.#lateness.begin(() => this.emit('late'))
    this.#waking = this.#orFail(this.#motion.setClock(this.vm))
      .then((clockMs): Wake => ({ ...wasAwake, totalMs: clockMs, clockMs }))
      .finally(() => {
        this.#waking = undefined
        this.#lateness.over()
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
    this.#motion.stopped()
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

  /** Nothing comes before the guest is told; what is only written down comes after. */
  async #wake(): Promise<Wake> {
    const from = this.#state === 'stopping' ? 'running' : 'parked'
    const awake = step(this.#state, from === 'running' ? 'request' : 'wake')
    const woken = this.#orFail(this.#motion.wake(this.vm, from))
    this.#lateness.begin(() => this.emit('late')) // here: what comes from the disk may take its time before
    this.#enter(awake)
    return { from, ...(await woken) }
  }

  async #orFail<T>(outcome: Promise<T>): Promise<T> {
    try {
      return await outcome
    } catch (error) {
      this.fail(error as Error)
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
    this.#motion.watch(vm, (why) => {
      if (this.#slot.has(vm)) this.fail(why) // else it was ended on purpose: what it had is on the disk
    })
  }

  /** Asks the guest first: files may keep it awake, and its sleep hook has its turn. A request meanwhile calls that off. */
  #sleep() {
    this.#move('letGo')
    void this.#stayAwake.rest(this.vm.guest).then(() => this.#stop())
  }

  #stop() {
    if (this.#state !== 'stopping') return // a request, or files inside, came first
    this.#motion.stop(this.vm, (error) => {
      if (this.#state === 'stopping') this.fail(error)
    })
  }

  #onEvent({ event, atUs }: QmpEvent) {
    if (event === 'RESUME') {
      if (this.#state !== 'broken') this.#time.begin(atUs)
      this.#motion.resumed()
    } else if (event === 'STOP') {
      this.#time.end(atUs)
      // If a request came in the meantime the state is `running` already, and RESUME follows.
      if (this.#state === 'stopping') this.#move('stopped')
      this.#motion.stopped()
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
