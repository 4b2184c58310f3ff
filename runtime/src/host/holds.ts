import { errorFields } from '../core/errors.ts'
import { type EdgeId, type HoldId, type InstanceId, newId } from '../core/ids.ts'
import {
  type AgentMessage,
  type Bound,
  type EdgeMessage,
  type HeldByEdge,
  type HoldUsage,
  holdExpiryMs,
} from '../fabric/hold.ts'
import type { AppOnNode } from './app-on-node.ts'
import type { Fleet } from './fleet.ts'
import { Refused } from './hold-refused.ts'
import type { Instance } from './instance.ts'
import { MemoryLost } from './instance-errors.ts'
import { type Hold, type KnownEdge, newEdge } from './known-edge.ts'
import { leftBy } from './slots.ts'

/** How often expired holds are looked for. */
const lookEveryMs = 500

interface Found {
  instance: Instance
  soft: number
  hard: number
  /** The edge's present, smaller hold on the same instance. */
  replaces?: Hold
}

type Acquire = Extract<EdgeMessage, { type: 'acquire' }>

/**
 * Who holds what. An instance runs while a hold on it lives: granted by `acquire`, renewed by its edge, ended by letting
 * go or by `holdExpiryMs` of silence. Instances are shared between edges by slots.
 */
export class Holds {
  readonly #fleet: Fleet
  readonly #edges = new Map<EdgeId, KnownEdge>()
  readonly #timer: NodeJS.Timeout
  #lookedAt = Date.now()

  constructor(fleet: Fleet) {
    this.#fleet = fleet
    this.#timer = setInterval(() => this.#expire(Date.now()), lookEveryMs)
    fleet.on('available', (team, app) => this.#tellAll({ type: 'available', team, app }))
    fleet.on('unhealthy', (instance) => this.#shrinkToNothing(instance))
    fleet.on('gone', (instance, error) => this.#gone(instance, error))
  }

  close() {
    clearInterval(this.#timer)
  }

  /** A link to an edge is up. `lost` is to be called when it breaks; `breakOff` makes the edge say hello anew. */
  connected(send: (message: AgentMessage) => void, breakOff: () => void) {
    let edge: KnownEdge | undefined
    return {
      take: (message: EdgeMessage) => {
        if (message.type === 'hello') edge = this.#hello(message, send)
        else if (edge && !edge.expired) this.#take(edge, message)
        else breakOff() // whatever it asks would never be answered
      },
      lost: () => {
        if (edge?.send === send) edge.send = undefined
      },
    }
  }

  #hello(
    { edge: id, holds }: Extract<EdgeMessage, { type: 'hello' }>,
    send: (message: AgentMessage) => void,
  ): KnownEdge {
    const edge = this.#edges.get(id) ?? newEdge(id, send)
    this.#edges.set(id, edge)
    edge.send = send
    edge.lastHeardAt = Date.now()
    edge.expired = false
    const told = new Set(holds.map(({ hold }) => hold))
    for (const hold of edge.holds.values()) if (!told.has(hold.id)) this.#end(edge, hold)
    for (const held of holds) if (!edge.holds.has(held.hold)) this.#recall(edge, held)
    return edge
  }

  /** An edge holds what we do not know of: we were restarted. The hold goes on if the instance is still the same. */
  #recall(edge: KnownEdge, { hold: id, instance: instanceId, incarnation, soft, hard }: HeldByEdge) {
    const instance = this.#fleet.instance(instanceId)
    if (!instance || instance.record.incarnation !== incarnation) {
      const reason = {
        code: 'instance.gone',
        message: `instance ${instanceId} is no more`,
        hint: 'Ask for another one',
      }
      edge.send?.({ type: 'gone', instance: instanceId, incarnation, reason })
      return
    }
    edge.holds.set(id, { id, edge: edge.id, instance, soft, hard })
    instance.keep({ id, edge: edge.id }).catch(() => {}) // `broken` tells its holders
  }

  #take(edge: KnownEdge, message: Exclude<EdgeMessage, { type: 'hello' }>) {
    edge.lastHeardAt = Date.now()
    switch (message.type) {
      case 'acquire':
        this.#acquire(edge, message)
        break
      case 'renew':
        for (const usage of message.usage) edge.holds.get(usage.hold)?.instance.account(usage.hold, usage)
        edge.send?.({ type: 'renewed' })
        break
      case 'letGo': {
        const hold = edge.holds.get(message.hold)
        if (hold) this.#end(edge, hold, message.usage)
        break
      }
      case 'shrunk': {
        const hold = edge.holds.get(message.hold)
        if (!hold) break
        hold.soft = message.soft
        hold.hard = message.hard
        this.#freed(hold.instance, edge)
        break
      }
    }
  }

  #acquire(edge: KnownEdge, ask: Acquire) {
    let found: Found
    try {
      found = this.#find(edge, ask)
    } catch (error) {
      const { status: _, ...fields } = errorFields(error)
      if (fields.code === 'hold.starting') edge.waits.asked(`${ask.team}.${ask.app}`, Date.now())
      edge.send?.({ type: 'refused', id: ask.id, ...fields })
      return
    }
    this.#grant(edge, ask, found)
  }

  #find(edge: KnownEdge, { team, app: name, release, not, only }: Acquire): Found {
    const app = this.#fleet.app(team, name)
    if (!app) throw new Refused('hold.no_such_app', `this node keeps no app ${name}`, 'Ask another node')
    if (only) return this.#findOnly(app, edge, only)
    const usable = this.#fleet.stalls.going(app.usable(release)).filter(({ id }) => !not.includes(id))
    for (const instance of usable) {
      const share = this.#share(app, edge, instance)
      if (share) return { instance, ...share }
    }
    const failure = app.failures.of(release)
    if (usable.length === 0 && app.starts.of(release) === 0 && failure && Date.now() < failure.retryAt)
      throw failure.error
    const growing = this.#fleet.grow(app, release)
    if (growing === 'starting') {
      throw new Refused(
        'hold.starting',
        `another instance of ${name} is being started`,
        'Ask again when one is available',
      )
    }
    const more = this.#moreOf(app, edge, not)
    if (more) return more
    if (growing === 'not here' && app.usable(release).length === 0) {
      const message = `this node keeps release ${release} of ${name} no more`
      throw new Refused('hold.no_such_release', message, 'Ask for the release that is live now')
    }
    for (const instance of app.usable(release)) this.#askToShrink(app, edge, instance)
    throw new Refused('hold.at_limit', `${name} has as many instances as it may have`, 'Raise --max, or --concurrency')
  }

  /** The edge has a connection to it open: it is woken even if other edges have all its slots. */
  #findOnly(app: AppOnNode, edge: KnownEdge, { instance: id, incarnation }: Bound): Found {
    const instance = app.instances.find((one) => one.id === id && one.record.incarnation === incarnation)
    if (!instance) throw new Refused('hold.no_such_instance', `instance ${id} is no more`, 'Connect again')
    if (this.#holdsOn(instance).some((hold) => hold.edge === edge.id))
      throw new Refused('hold.held_already', `instance ${id} is held by this edge`, 'Ask again in a moment')
    return { instance, ...this.#left(app, instance) }
  }

  /** The slots that nobody has. */
  #left(app: AppOnNode, instance: Instance): { soft: number; hard: number } {
    return leftBy(this.#holdsOn(instance), app.concurrency(instance.record.release))
  }

  /** What of the instance's concurrency this edge can have now: all that other edges do not hold. */
  #share(app: AppOnNode, edge: KnownEdge, instance: Instance): { soft: number; hard: number } | undefined {
    if (this.#holdsOn(instance).some((hold) => hold.edge === edge.id)) return undefined
    const left = this.#left(app, instance)
    return left.soft >= 1 && left.hard >= 1 ? left : undefined
  }

  /** Of an instance that the edge holds already: slots that another edge has given back since. */
  #moreOf(app: AppOnNode, edge: KnownEdge, held: InstanceId[]) {
    for (const hold of edge.holds.values()) {
      if (!held.includes(hold.instance.id)) continue
      const others = this.#holdsOn(hold.instance).filter((one) => one.edge !== edge.id)
      const free = leftBy(others, app.concurrency(hold.instance.record.release))
      if (free.soft > hold.soft) return { instance: hold.instance, ...free, replaces: hold }
    }
    return undefined
  }

  /** The instance is wholly another edge's: half of it shall be free in a moment. */
  #askToShrink(app: AppOnNode, edge: KnownEdge, instance: Instance) {
    const { soft, hard } = app.concurrency(instance.record.release)
    const holds = this.#holdsOn(instance)
    const each = Math.max(1, holds.length + 1)
    for (const hold of holds) {
      if (hold.edge === edge.id || hold.soft <= Math.ceil(soft / each)) continue
      const share = { soft: Math.max(1, Math.floor(soft / each)), hard: Math.max(1, Math.floor(hard / each)) }
      this.#edges.get(hold.edge)?.send?.({ type: 'shrink', hold: hold.id, ...share })
    }
  }

  #grant(edge: KnownEdge, ask: Acquire, { instance, soft, hard, replaces }: Found) {
    const hold: Hold = { id: newId<HoldId>('h'), edge: edge.id, instance, soft, hard }
    edge.holds.set(hold.id, hold)
    if (replaces) edge.holds.delete(replaces.id)
    const awake = instance.keepSoon({ id: hold.id, edge: edge.id })
    const { id, incarnation, address, port, keepConnections } = instance.record
    const where = { hold: hold.id, instance: id, incarnation, address, port: port!, soft, hard, keepConnections }
    const link = edge.send
    link?.({ type: 'waking', id: ask.id, ...where }) // while the guest wakes: what comes after it can be short
    awake.then(
      ({ from, ...timing }) => {
        if (replaces) instance.release(replaces.id)
        const forIt = edge.waits.over(`${ask.team}.${ask.app}`, instance.readyAt, Date.now())
        const woken = { id: ask.id, from: forIt ? ('started' as const) : from, timing }
        if (edge.send === link) link?.({ type: 'awake', ...woken })
        else edge.send?.({ type: 'granted', ...where, ...woken })
        if (instance.health === 'unhealthy') this.#shrinkToNothing(instance) // since it was found
      },
      (error: unknown) => {
        edge.holds.delete(hold.id)
        if (error instanceof MemoryLost) return this.#acquire(edge, ask) // another one is started, which it can wait for
        const { status: _, ...fields } = errorFields(error)
        edge.send?.({ type: 'refused', id: ask.id, ...fields })
      },
    )
  }

  #end(edge: KnownEdge, hold: Hold, usage?: HoldUsage) {
    edge.holds.delete(hold.id)
    hold.instance.release(hold.id, usage)
    this.#freed(hold.instance, edge)
  }

  /** Slots came free: other edges that were refused may ask again. */
  #freed({ record: { team, app } }: Instance, by: KnownEdge) {
    for (const edge of this.#edges.values()) if (edge !== by) edge.send?.({ type: 'available', team, app })
  }

  /** Edges send it no more requests; those in flight come to their end. */
  #shrinkToNothing(instance: Instance) {
    for (const { id, edge } of this.#holdsOn(instance)) {
      this.#edges.get(edge)?.send?.({ type: 'shrink', hold: id, soft: 0, hard: 0 })
    }
  }

  #gone(instance: Instance, error: Error) {
    const { status: _, ...reason } = errorFields(error)
    for (const edge of this.#edges.values()) {
      for (const hold of edge.holds.values()) if (hold.instance === instance) edge.holds.delete(hold.id)
      edge.send?.({
        type: 'gone',
        instance: instance.id as InstanceId,
        incarnation: instance.record.incarnation,
        reason,
      })
    }
  }

  #expire(now: number) {
    // This process itself was stopped: what the edges said meanwhile lies unread, and they get their time anew.
    if (now - this.#lookedAt > 2 * lookEveryMs) for (const edge of this.#edges.values()) edge.lastHeardAt = now
    this.#lookedAt = now
    for (const edge of this.#edges.values()) {
      if (now - edge.lastHeardAt <= holdExpiryMs) continue
      edge.expired ||= edge.holds.size > 0
      for (const hold of [...edge.holds.values()]) this.#end(edge, hold)
      if (!edge.send) this.#edges.delete(edge.id)
    }
  }

  #holdsOn(instance: Instance): Hold[] {
    return [...this.#edges.values()].flatMap(({ holds }) =>
      [...holds.values()].filter((hold) => hold.instance === instance),
    )
  }

  #tellAll(message: AgentMessage) {
    for (const edge of this.#edges.values()) edge.send?.(message)
  }
}
