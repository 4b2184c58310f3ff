import { type ErrorFields, RemoteError } from '../core/errors.ts'
import type { InstanceId, NodeId } from '../core/ids.ts'
import type { Bound, Grant } from '../fabric/hold.ts'
import { BoundRoom, type Home } from './bound-room.ts'
import { AppUnreachable, RoomFull, WaitedTooLong } from './errors.ts'
import { Hold } from './hold.ts'
import type { NodeLink } from './node-link.ts'
import type { Route } from './routes.ts'
import type { Pool } from './upstreams.ts'
import { type Waiter, WaitingRoom } from './waiting-room.ts'

/** Requests of one app and release that may wait at this edge: some seconds' worth for a small app, little memory. */
export const waitingRoomDepth = 1_000
/** How long `hold.at_limit` and `hold.starting` are believed without the agent saying `available`. */
const limitBelievedMs = 1_000
/**
 * An acquire that takes longer is no wake from parked: meanwhile the held instances are filled up to hard. Five wakes at
 * once take some 30 ms on two emulated cores; with 25 a burst ended on three instances where five lay ready.
 */
const patienceMs = 60
/** A node that has not answered by then may be gone: another one is asked as well, and the first to answer serves. */
const hedgeAfterMs = 400
/** The first node and one retry elsewhere. */
const maxNodesTried = 2

/** What an app's holds need from the edge. */
export interface Surroundings {
  chooseNode(route: Route, except: NodeId[]): NodeLink | undefined
  /** Sends an acquire; its answer comes to `granted` or `refused` of the same object. */
  acquire(link: NodeLink, app: AppHolds, not: InstanceId[], deadlineMs: number, only?: Bound): number
  link(node: NodeId): NodeLink | undefined
  pool(grant: Grant): Pool
  added(hold: Hold, app: AppHolds): void
  removed(hold: Hold): void
}

/** The instances of one release that this edge holds, and the requests that wait for one. */
export class AppHolds {
  route: Route
  readonly holds: Hold[] = []
  readonly room = new WaitingRoom<Hold>(waitingRoomDepth)
  readonly #bound: BoundRoom
  readonly #acquiring = new Map<number, NodeLink>()
  readonly #refusedBy: NodeId[] = []
  #limitedUntil = 0
  #waitsFor = 'no node has answered yet'
  #look: NodeJS.Timeout | undefined
  #hedge: NodeJS.Timeout | undefined
  readonly #around: Surroundings

  constructor(route: Route, around: Surroundings) {
    this.route = route
    this.#around = around
    this.#bound = new BoundRoom({
      link: (node) => around.link(node),
      acquire: (link, only) => around.acquire(link, this, [], this.route.wakeDeadlineMs, only),
    })
  }

  /** A slot of an instance that is held already, at once; undefined: `wait` for one. */
  take(now: number): Hold | undefined {
    const { holds } = this
    for (let i = 0; i < holds.length; i++) {
      const hold = holds[i] as Hold
      if (hold.hasRoom('soft', now)) return hold.take()
    }
    return now < this.#limitedUntil ? this.#leastBusy(now)?.take() : undefined
  }

  wait(waiter: Waiter<Hold>): void {
    const { app, wakeDeadlineMs } = this.route
    if (this.room.full) {
      waiter.refused(new RoomFull(app, this.room.size))
      return
    }
    this.room.enter(waiter, wakeDeadlineMs, () => new WaitedTooLong(app, wakeDeadlineMs, this.#waitsFor))
    this.#pump()
  }

  /** A slot of this very instance, beyond its limits if need be; undefined: `waitFor` it. */
  takeOf({ instance, incarnation }: Home, now: number): Hold | undefined {
    return this.holds
      .find(({ grant }) => grant.instance === instance && grant.incarnation === incarnation)
      ?.takeIfUsable(now)
  }

  waitFor(home: Home, waiter: Waiter<Hold>): void {
    const { app, wakeDeadlineMs } = this.route
    const tooLate = () => new WaitedTooLong(app, wakeDeadlineMs, `instance ${home.instance} did not wake`)
    this.#bound.wait(home, waiter, wakeDeadlineMs, tooLate)
  }

  leave(home: Home, waiter: Waiter<Hold>): void {
    this.#bound.leave(home, waiter)
  }

  granted(id: number, grant: Grant, link: NodeLink): void {
    this.#answered(id)
    this.#refusedBy.length = 0
    const twin = this.holds.find((hold) => hold.grant.instance === grant.instance)
    if (twin) this.drop(twin) // the agent knows better than we do what we hold
    const hold = new Hold(grant, link, this.#around.pool(grant), this.route.idleMs, {
      freed: this.#freed,
      idle: this.#letGo,
    })
    this.holds.push(hold)
    this.#around.added(hold, this)
    this.#bound.admit(hold)
    while (hold.hasRoom('soft', performance.now())) {
      const waiter = this.room.next()
      if (!waiter) break
      waiter.admitted(hold.take(), true)
    }
    this.#pump()
  }

  refused(id: number, node: NodeId, error: ErrorFields): void {
    if (this.#bound.refused(id, error)) return
    this.#answered(id)
    if (error.code === 'hold.at_limit' || error.code === 'hold.starting') {
      this.#waitsFor = error.message
      this.#believeLimit()
      this.#fillUp()
      return
    }
    this.#refusedBy.push(node)
    this.#waitsFor = error.message
    this.#pump(error)
  }

  /** The agent has, or may have, another instance. */
  available(): void {
    this.#limitedUntil = 0
    this.#refusedBy.length = 0
    this.#pump()
  }

  /** Another edge needs slots. Requests in flight stay. */
  shrink(hold: Hold, soft: number, hard: number): void {
    hold.soft = soft
    hold.hard = hard
    hold.link.send({ type: 'shrunk', hold: hold.grant.hold, soft, hard })
    if (hard === 0 && hold.inFlight === 0) this.#letGo(hold)
  }

  linkLost(link: NodeLink): void {
    for (const [id, asked] of this.#acquiring) if (asked === link) this.#acquiring.delete(id)
    this.#bound.linkLost(link)
    this.#waitsFor = `the node ${link.node} cannot be reached`
    this.#pump()
  }

  linkBack(link: NodeLink): void {
    this.#bound.linkBack(link)
    if (this.route.nodes.includes(link.node)) this.available()
  }

  /** Takes the hold out of use; requests on it may still end. */
  drop(hold: Hold, reason?: ErrorFields): void {
    hold.end(reason)
    const at = this.holds.indexOf(hold)
    if (at >= 0) this.holds.splice(at, 1)
    this.#around.removed(hold)
    this.#limitedUntil = 0
    this.#pump()
  }

  get empty(): boolean {
    return this.holds.length === 0 && this.room.size === 0 && this.#acquiring.size === 0 && this.#bound.empty
  }

  close(error: Error): void {
    clearTimeout(this.#look)
    clearTimeout(this.#hedge)
    this.room.refuseAll(error)
    this.#bound.refuseAll(error)
    for (const hold of this.holds) hold.end()
  }

  /** Asks for as many instances as those who wait need. */
  #pump(lastRefusal?: ErrorFields): void {
    const { soft } = this.route.concurrency
    const now = performance.now()
    if (now < this.#limitedUntil) return
    let missing = Math.ceil(this.room.size / soft) - this.#acquiring.size
    for (; missing > 0; missing--) {
      const link =
        this.#refusedBy.length < maxNodesTried ? this.#around.chooseNode(this.route, this.#refusedBy) : undefined
      if (!link) {
        this.#nobodyLeft(lastRefusal)
        return
      }
      const not = this.holds.filter((hold) => !hold.hasRoom('soft', now)).map((hold) => hold.grant.instance)
      this.#acquiring.set(this.#around.acquire(link, this, not, this.route.wakeDeadlineMs), link)
      if (this.holds.length > 0) this.#look ??= setTimeout(this.#impatient, patienceMs)
      this.#hedge ??= setTimeout(this.#askElsewhere, hedgeAfterMs)
    }
  }

  /** No node is left to ask: final, unless something is still under way or a node may come back. */
  #nobodyLeft(lastRefusal: ErrorFields | undefined): void {
    if (this.#acquiring.size > 0) return
    if (this.holds.length > 0) {
      this.#believeLimit()
      this.#fillUp()
      return
    }
    if (this.route.nodes.length === 0) {
      this.room.refuseAll(new AppUnreachable(`no node keeps the app ${this.route.app} ready`))
      return
    }
    if (!lastRefusal) return
    this.#refusedBy.length = 0
    this.room.refuseAll(new RemoteError({ ...lastRefusal, status: 503 }))
  }

  #answered(id: number): void {
    this.#acquiring.delete(id)
    if (this.#acquiring.size > 0) return
    clearTimeout(this.#hedge)
    this.#hedge = undefined
  }

  #impatient = (): void => {
    this.#look = undefined
    if (this.#acquiring.size > 0) this.#fillUp()
  }

  #askElsewhere = (): void => {
    this.#hedge = undefined
    if (this.room.size === 0 || this.#acquiring.size === 0) return
    const asked = [...this.#acquiring.values()].map(({ node }) => node)
    const link = this.#around.chooseNode(this.route, [...this.#refusedBy, ...asked])
    if (link) this.#acquiring.set(this.#around.acquire(link, this, [], this.route.wakeDeadlineMs), link)
  }

  #believeLimit(): void {
    this.#limitedUntil = performance.now() + limitBelievedMs
    clearTimeout(this.#look)
    this.#look = setTimeout(() => {
      this.#look = undefined
      this.available()
    }, limitBelievedMs)
  }

  #fillUp(): void {
    const now = performance.now()
    while (this.room.size > 0) {
      const hold = this.#leastBusy(now)
      if (!hold) return
      this.room.next()?.admitted(hold.take(), false)
    }
  }

  #leastBusy(now: number): Hold | undefined {
    let best: Hold | undefined
    for (const hold of this.holds) {
      if (hold.hasRoom('hard', now) && (!best || hold.inFlight < best.inFlight)) best = hold
    }
    return best
  }

  #freed = (hold: Hold): void => {
    if (
      this.room.size > 0 &&
      hold.hasRoom(performance.now() < this.#limitedUntil ? 'hard' : 'soft', performance.now())
    ) {
      this.room.next()?.admitted(hold.take(), false)
    } else if (hold.inFlight === 0 && hold.hard === 0) this.#letGo(hold) // shrunk to nothing
  }

  #letGo = (hold: Hold): void => {
    if (hold.state !== 'held') return
    hold.state = 'lettingGo'
    if (hold.link.connected) hold.link.send({ type: 'letGo', hold: hold.grant.hold, usage: hold.usage() })
    this.drop(hold)
  }
}
