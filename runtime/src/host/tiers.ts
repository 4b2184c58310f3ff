import { freemem } from 'node:os'
import type { NodeMemory } from '../cluster/subjects.ts'
import { errorFields } from '../core/errors.ts'
import { MIB } from '../core/units.ts'
import { likelihood } from '../model/likelihood.ts'
import { keptFreeMib, type Memory, type Sleeper, shortMib, toDemote, toPromote } from '../model/memory-budget.ts'
import type { Release } from '../model/release.ts'
import type { AppOnNode } from './app-on-node.ts'
import type { Instance } from './instance.ts'
import { ownMemoryMib } from './process-memory.ts'
import { NoMemoryOnNode, NoRoomToReserve, StartCalledOff } from './start-errors.ts'
import type { HostTools } from './tools.ts'

/** Writing memory out competes with users' requests for cores and disk. */
const demotionsAtOnce = 2
/** One that could not be written out (a full disk) is not tried again and again. */
const retryAfterMs = 60_000
/** A start waits that long for awake instances to come to rest; some never do. */
const roomWithinMs = 10_000

/** The instances that tiers are about, and how one is ended. */
interface Crowd {
  readonly apps: Iterable<AppOnNode>
  readonly instances: Instance[]
  drop(app: AppOnNode, instance: Instance): Promise<void>
}

/** A start that has no memory yet. */
interface Waiting {
  memoryMib: number
  untilMs: number
}

interface Candidate extends Sleeper {
  app: AppOnNode
  instance: Instance
}

/**
 * Which instances are in memory: all of them, while the node's budget has room. Beyond it the least likely to be asked
 * are suspended (or dropped, if their app says so), and the likeliest come back when there is room again.
 */
export class Tiers {
  readonly #crowd: Crowd
  readonly #tools: HostTools
  readonly #budgetMib: number
  readonly #moving = new Map<Instance, Promise<void>>()
  readonly #notBefore = new WeakMap<Instance, number>()
  /** Starts that wait for memory, in the order in which they are let in. */
  readonly #line: Waiting[] = []
  #startingMib = 0
  /** Resolves when memory may have become free, or something may now go: at the latest with the next look. */
  #news = Promise.withResolvers<void>()

  constructor(crowd: Crowd, tools: HostTools, budgetMib: number) {
    this.#crowd = crowd
    this.#tools = tools
    this.#budgetMib = budgetMib
  }

  get memory(): Memory & { reservedMib: number } {
    let usedMib = this.#startingMib + this.#tools.templates.residentMib
    let reservedMib = 0
    for (const app of this.#crowd.apps) {
      for (const { state, ownMib, record } of app.instances) {
        const reserved = app.ready(record.release)?.alwaysParked
        if (reserved) reservedMib += record.memoryMib
        if (state !== 'suspended') usedMib += reserved ? record.memoryMib : ownMib
      }
    }
    return { budgetMib: this.#budgetMib, usedMib, reservedMib, availableMib: freemem() / MIB }
  }

  /** As the node announces it. */
  get told(): NodeMemory {
    const { budgetMib, usedMib, reservedMib } = this.memory
    const states: NodeMemory['states'] = {}
    for (const { state } of this.#crowd.instances) states[state] = (states[state] ?? 0) + 1
    return { budgetMib, usedMib: Math.round(usedMib), reservedMib, states }
  }

  /** What an instance could have at the most: all but what is reserved can go to the disk, once it sleeps. */
  get freeMib(): number {
    const { usedMib, reservedMib, budgetMib, availableMib } = this.memory
    const stays = reservedMib + this.#tools.templates.residentMib
    return Math.max(0, Math.floor(Math.min(budgetMib - stays, availableMib - keptFreeMib + usedMib - stays)))
  }

  /** Memory for an instance that starts: in full, until it is measured. Others go first if need be. */
  async room(release: Release, signal: AbortSignal): Promise<Disposable> {
    const { memoryMib } = release
    if (release.alwaysParked) this.#mustReserve(release)
    if (memoryMib > this.freeMib) throw new NoMemoryOnNode(memoryMib, this.freeMib)
    const start = { memoryMib, untilMs: Date.now() + roomWithinMs }
    this.#line.push(start)
    const wake = () => this.#tell()
    signal.addEventListener('abort', wake)
    try {
      await this.#letIn(start, signal)
    } finally {
      signal.removeEventListener('abort', wake)
      this.#line.splice(this.#line.indexOf(start), 1)
      this.#tell()
    }
    return {
      [Symbol.dispose]: () => {
        this.#startingMib -= memoryMib
        this.#tell()
      },
    }
  }

  /** All that wait make room together; the first in the line takes it. */
  async #letIn(start: Waiting, signal: AbortSignal) {
    for (;;) {
      const ahead = this.#line.indexOf(start)
      const short = shortMib(this.memory, sumMib(this.#line.slice(0, ahead + 1)))
      if (ahead === 0 && short === 0) break
      this.#demote(this.#shortMib)
      const comes = this.#moving.size > 0 || this.#startingMib > 0 || (Date.now() < start.untilMs && this.#someMayGo)
      if (signal.aborted) throw new StartCalledOff()
      if (short > 0 && !comes) throw new NoMemoryOnNode(start.memoryMib, this.freeMib)
      await this.#news.promise
    }
    this.#startingMib += start.memoryMib // at once, so that nobody else is let in meanwhile
  }

  /** Whether any instance has memory that it will give up once it rests. */
  get #someMayGo(): boolean {
    return [...this.#crowd.apps].some((app) =>
      app.instances.some(({ state, record }) => state !== 'suspended' && !app.ready(record.release)?.alwaysParked),
    )
  }

  /** For what is in memory and all that wait to be. */
  get #shortMib(): number {
    return shortMib(this.memory, sumMib(this.#line))
  }

  #tell() {
    this.#news.resolve()
    this.#news = Promise.withResolvers()
  }

  /** To be called every second. */
  look() {
    for (const instance of this.#crowd.instances) if (instance.state === 'running') this.measure(instance)
    if (this.#shortMib > 0) this.#demote(this.#shortMib)
    else if (this.#moving.size === 0 && this.#line.length === 0) this.#promote(this.memory)
    this.#tell()
  }

  /** It came to rest: what it has in memory stays the same until it is woken. */
  rested(instance: Instance) {
    if (instance.state !== 'parked') return
    this.measure(instance)
    this.#demote(this.#shortMib)
    this.#tell()
  }

  measure(instance: Instance) {
    instance.ownMib = ownMemoryMib(instance.vm.process.pid)
  }

  #mustReserve({ team, app: name, memoryMib }: Release) {
    let othersMib = 0
    for (const other of this.#crowd.apps) {
      if (other.team === team && other.name === name) continue
      for (const { alwaysParked, memoryMib } of other.wanted?.ready ?? []) if (alwaysParked) othersMib += memoryMib
    }
    if (othersMib + memoryMib > this.#budgetMib) throw new NoRoomToReserve(memoryMib, othersMib, this.#budgetMib)
  }

  #candidates(): Candidate[] {
    const now = Date.now()
    return [...this.#crowd.apps].flatMap((app) => {
      if (!app.wanted) return []
      const resting = app.instances.filter((one) => one.idle && !app.ready(one.record.release)?.alwaysParked)
      return this.#movable(app, resting, now)
    })
  }

  #movable(app: AppOnNode, instances: Instance[], now: number): Candidate[] {
    const free = instances.filter((one) => !this.#moving.has(one) && now >= (this.#notBefore.get(one) ?? 0))
    const wakes = likelihood(app.habit, now)
    return free.map((instance) => {
      const asked = app.serving.includes(instance.record.release) // others are kept to go back to
      return { app, instance, ownMib: instance.ownMib, likelihood: asked ? wakes : 0 }
    })
  }

  #demote(shortMib: number) {
    const going = [...this.#moving.keys()].reduce((sum, { ownMib }) => sum + ownMib, 0)
    if (shortMib <= going) return
    const chosen = toDemote(this.#candidates(), shortMib - going).slice(0, demotionsAtOnce - this.#moving.size)
    for (const { app, instance } of chosen) {
      this.#move(
        instance,
        app.release(instance.record.release)?.ephemeral ? this.#crowd.drop(app, instance) : instance.suspend(),
      )
    }
  }

  #promote(memory: Memory) {
    const now = Date.now()
    const suspended = [...this.#crowd.apps].flatMap((app) => {
      const onDisk = app.instances.filter(({ state }) => state === 'suspended')
      return onDisk.length > 0 ? this.#movable(app, onDisk, now) : []
    })
    const chosen = toPromote(suspended, memory)
    if (chosen) this.#move(chosen.instance, chosen.instance.restore())
  }

  #move(instance: Instance, moving: Promise<void>) {
    const done = moving
      .catch((error: unknown) => {
        this.#notBefore.set(instance, Date.now() + retryAfterMs)
        const { team, app, id } = instance.record
        this.#tools.log.warn({ app: `${team}.${app}`, instance: id, ...errorFields(error) }, 'it stays where it is')
      })
      .finally(() => {
        this.#moving.delete(instance)
        this.look()
      })
    this.#moving.set(instance, done)
  }
}

const sumMib = (starts: Waiting[]) => starts.reduce((sum, { memoryMib }) => sum + memoryMib, 0)
