import { EventEmitter } from 'node:events'
import { errorFields, LittleError } from '../core/errors.ts'
import type { AppName, InstanceId, TeamId } from '../core/ids.ts'
import { woken } from '../model/likelihood.ts'
import type { Release } from '../model/release.ts'
import { ForeignOnEmulated } from '../model/team.ts'
import { tellOf } from './app-events.ts'
import { AppOnNode, type Wanted } from './app-on-node.ts'
import { DiskStalls } from './disk-stalls.ts'
import { endInstance } from './end.ts'
import { failAtExit } from './fail-at-exit.ts'
import type { Instance } from './instance.ts'
import { MemoryLost, WakeFailed } from './instance-errors.ts'
import { watchHealth } from './liveness.ts'
import { removeInstance, type Started } from './start.ts'
import { InstanceEnded } from './start-errors.ts'
import { startOrCopy } from './start-or-copy.ts'
import { Tiers } from './tiers.ts'
import type { HostTools } from './tools.ts'
import type { Wake } from './wake.ts'

/** Starts compete with users' requests for the same cores. */
const startsAtOnce = 2
const reconcileEveryMs = 1_000

/**
 * All instances of this node and what should be: for each placed app its first instance, its spares, and those that
 * demand calls for. Compares the two on every change and every second.
 */
export class Fleet extends EventEmitter<{
  available: [TeamId, AppName]
  gone: [Instance, Error]
  unhealthy: [Instance]
  changed: [AppOnNode]
  moved: [Instance]
  woke: [Wake]
  startEnded: [tookMs: number, error?: Error]
}> {
  readonly tiers: Tiers
  readonly stalls: DiskStalls
  readonly #tools: HostTools
  readonly #apps = new Map<string, AppOnNode>()
  readonly #timer: NodeJS.Timeout
  /** Instances that are being ended or cleaned up: nobody counts with them any more. */
  readonly #going = new Set<Instance>()
  /** How to stop watching an instance's health. */
  readonly #watched = new WeakMap<Instance, () => void>()
  #starts = 0
  #closed = false

  constructor(tools: HostTools, budgetMib: number) {
    super()
    this.#tools = tools
    this.stalls = new DiskStalls(tools, (instance) => this.emit('unhealthy', instance))
    this.tiers = new Tiers(this, tools, budgetMib)
    this.#timer = setInterval(() => this.#look(), reconcileEveryMs)
  }

  get apps(): Iterable<AppOnNode> {
    return this.#apps.values()
  }

  get instances(): Instance[] {
    return [...this.#apps.values()].flatMap((app) => app.instances)
  }

  app(team: TeamId, name: AppName): AppOnNode | undefined {
    return this.#apps.get(`${team}.${name}`)
  }

  instance(id: InstanceId): Instance | undefined {
    return this.instances.find((instance) => instance.id === id)
  }

  /** What this node has of the app from now on. */
  place(team: TeamId, name: AppName, wanted: Wanted) {
    const app = this.#need(team, name)
    app.undecided = false
    const isNew = ({ number }: Release) => !app.ready(number)
    for (const { number } of wanted.ready.filter(isNew)) app.failures.forget(number)
    app.starts.callOff(new Set(wanted.ready.map(({ number }) => number)))
    app.wanted = wanted
    this.#forgetWarmCopies(app)
    for (const instance of app.instances) this.#watchHealth(app, instance) // those that were adopted before
    this.#reconcile(app)
  }

  /** The node keeps nothing of the app any more; resolves when nothing of it is left. */
  async unplace(team: TeamId, name: AppName): Promise<void> {
    const app = this.app(team, name)
    if (!app) return
    app.starts.callOff(new Set())
    app.undecided = false
    app.wanted = undefined
    this.#forgetWarmCopies(app)
    this.#reconcile(app)
    while (app.starts.count > 0 || app.ending > 0) {
      await new Promise((resolve) => this.once('changed', () => resolve(undefined)))
    }
  }

  /** The releases that take requests: what kept one of them from serving is over. */
  serve(team: TeamId, name: AppName, releases: number[]) {
    const app = this.#need(team, name)
    for (const release of releases) if (!app.serving.includes(release)) app.failures.over(release)
    app.serving = releases
    this.#reconcile(app)
  }

  /** Takes in an instance that was found alive; it stays until it is known what should be. */
  adopt(started: Started) {
    const { team, app: name } = started.instance.record
    const app = this.#need(team, name)
    app.undecided = app.wanted === undefined
    this.#join(app, started)
  }

  /** Asks for one more instance of the release; `available` says when it is there. */
  grow(app: AppOnNode, number: number): 'starting' | 'at limit' | 'not here' {
    if (app.starts.of(number) > 0) return 'starting'
    const release = app.ready(number)
    if (!release) return 'not here'
    if (app.count(number) >= release.maxInstances) return 'at limit'
    this.#start(app, release)
    return 'starting'
  }

  /** Ends everything: `little down`. */
  async close() {
    this.#closed = true
    clearInterval(this.#timer)
    for (const app of this.#apps.values()) app.starts.callOff(new Set())
    await Promise.allSettled(this.instances.map((instance) => removeInstance(instance, this.#tools)))
    for (const instance of this.#going) await instance.kill() // no grace any more
    while (this.#starts > 0 || this.#going.size > 0) {
      await new Promise((resolve) => this.once('changed', () => resolve(undefined)))
    }
  }

  #need(team: TeamId, name: AppName): AppOnNode {
    const key = `${team}.${name}`
    const app = this.#apps.get(key) ?? new AppOnNode(team, name)
    this.#apps.set(key, app)
    return app
  }

  #forgetWarmCopies({ team, name, wanted }: AppOnNode) {
    this.#tools.warmCopies
      .keepOnly(team, name, wanted?.ready ?? [])
      .catch((error: unknown) => this.#tools.log.error(error, 'warm memory could not be removed'))
  }

  /** Ends an instance because memory is short; its app is started anew when somebody asks for it. */
  async drop(app: AppOnNode, instance: Instance): Promise<void> {
    const message = 'memory is short: it starts anew when it is asked'
    tellOf(app, { release: instance.record.release, kind: 'dropped', message, instance: instance.id }, this.#tools)
    await this.#end(app, instance)
  }

  #look() {
    for (const app of this.#apps.values()) this.#reconcile(app)
    if (!this.#closed) this.tiers.look()
  }

  #reconcile(app: AppOnNode) {
    if (this.#closed) return
    for (const instance of app.surplus(Date.now())) void this.#end(app, instance)
    for (let release = app.wants(Date.now()); release && this.#starts < startsAtOnce; release = app.wants(Date.now())) {
      this.#start(app, release)
    }
    const empty = app.instances.length === 0 && app.starts.count === 0
    if (!app.wanted && empty && app.serving.length === 0) this.#apps.delete(`${app.team}.${app.name}`)
  }

  #start(app: AppOnNode, release: Release) {
    const { number } = release
    this.#starts++
    const begun = performance.now()
    const signal = app.starts.begin(number)
    this.#startOne(release, signal)
      .then(
        (started) => {
          app.failures.over(number)
          this.emit('startEnded', performance.now() - begun)
          // One that was late has woken after all: it is the app, and has its memory.
          const tooMany = app.there(number) >= release.maxInstances
          if (this.#closed || signal.aborted || tooMany) return removeInstance(started.instance, this.#tools)
          this.#join(app, started)
          for (const late of app.overtaken(release))
            late.fail(new WakeFailed(late.id, 'it was late, and another one has taken its place'))
          this.emit('available', app.team, app.name)
          return undefined
        },
        (error: Error) => {
          if (this.#closed || signal.aborted) return
          this.emit('startEnded', performance.now() - begun, error)
          this.#startFailed(app, release, error)
        },
      )
      .catch((error: unknown) => this.#tools.log.error(error, 'after a start'))
      .finally(() => {
        app.starts.ended(number)
        this.#starts--
        this.emit('changed', app)
        this.#reconcile(app)
      })
  }

  async #startOne(release: Release, signal: AbortSignal): Promise<Started> {
    if (!this.#tools.admits(release.team)) throw new ForeignOnEmulated(release.team)
    using _room = await this.tiers.room(release, signal)
    return await startOrCopy(release, this.#tools, signal)
  }

  #startFailed(app: AppOnNode, release: Release, error: Error) {
    if (!(error instanceof LittleError)) this.#tools.log.error(error, 'a start failed')
    app.failed(release.number, error, Date.now())
    const { status: _, ...fields } = errorFields(error)
    tellOf(app, { release: release.number, kind: 'failed', message: fields.message, error: fields }, this.#tools)
    this.emit('available', app.team, app.name) // those who wait shall hear of the failure, not of a deadline
  }

  #join(app: AppOnNode, { instance, lastLines }: Started) {
    app.instances.push(instance)
    this.stalls.follow(instance)
    this.#watchHealth(app, instance)
    instance.on('changed', () => this.#changed(app, instance))
    instance.on('woke', (wake) => this.emit('woke', wake))
    instance.on('broken', (error) => this.#broken(app, instance, error))
    instance.on('late', () => {
      this.#tools.log.warn({ instance: instance.id }, 'it wakes late: another instance is started')
      this.#reconcile(app)
    })
    failAtExit(instance, lastLines)
    if (instance.state === 'parked') this.tiers.measure(instance)
    this.emit('changed', app)
  }

  #changed(app: AppOnNode, instance: Instance) {
    if (instance.state === 'stopping') app.habit = woken(app.habit, Date.now()) // not while it wakes: that is the path of requests
    if (instance.state === 'parked') setImmediate(() => this.tiers.rested(instance))
    this.emit('moved', instance)
    this.emit('changed', app)
  }

  #watchHealth(app: AppOnNode, instance: Instance) {
    const { release: number } = instance.record
    const release = app.ready(number)
    if (!release || instance.health) return
    const stop = watchHealth(instance, release.config, (error) => {
      app.failed(number, error, Date.now())
      const told = { release: number, message: error.message, error: errorFields(error), instance: instance.id }
      tellOf(app, { kind: 'unhealthy', ...told }, this.#tools)
      this.emit('unhealthy', instance)
      this.emit('changed', app)
      this.#reconcile(app)
    })
    if (stop) this.#watched.set(instance, stop)
  }

  #broken(app: AppOnNode, instance: Instance, error: Error) {
    const { release } = instance.record
    app.drop(instance)
    this.#watched.get(instance)?.()
    app.failed(release, error, Date.now())
    const { status: _, ...fields } = errorFields(error)
    const kind = error instanceof MemoryLost ? 'lost' : 'crashed'
    tellOf(app, { release, kind, message: fields.message, error: fields, instance: instance.id }, this.#tools)
    this.emit('gone', instance, error)
    this.#takeAway(app, instance)
    this.#reconcile(app)
  }

  #end(app: AppOnNode, instance: Instance): Promise<void> {
    app.drop(instance)
    this.#watched.get(instance)?.()
    instance.removeAllListeners() // its end is no crash
    const message = `instance ${instance.id} ended`
    tellOf(app, { release: instance.record.release, kind: 'ended', message, instance: instance.id }, this.#tools)
    app.ending++
    this.#going.add(instance)
    this.emit('changed', app)
    return endInstance(instance, this.#tools)
      .catch((error: unknown) => this.#tools.log.error(error, 'an end failed'))
      .finally(() => {
        app.ending--
        this.#going.delete(instance)
        this.emit('gone', instance, new InstanceEnded(instance.id)) // its idle connections shall not wait for ever
        this.emit('changed', app)
      })
  }

  #takeAway(app: AppOnNode, instance: Instance) {
    this.#going.add(instance)
    removeInstance(instance, this.#tools)
      .catch((error: unknown) => this.#tools.log.error(error, 'a clean-up failed'))
      .finally(() => {
        this.#going.delete(instance)
        this.emit('changed', app)
      })
  }
}
