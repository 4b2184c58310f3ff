import type { EdgeId, HoldId, InstanceId, NodeId } from '../core/ids.ts'
import type { Logger } from '../core/log.ts'
import type { AgentMessage, Bound, Grant, HeldByEdge, HoldUsage, Waking } from '../fabric/hold.ts'
import { type Candidate, choose } from '../placement/choose.ts'
import { AppHolds, type Surroundings } from './app-holds.ts'
import { AppUnreachable } from './errors.ts'
import type { Hold } from './hold.ts'
import type { LinkEvents, NodeLink } from './node-link.ts'
import { Nodes } from './nodes.ts'
import type { Route } from './routes.ts'
import { Silence } from './silence.ts'
import type { Upstreams } from './upstreams.ts'

/** All holds of this edge: the edge's side of fabric/hold.ts. */
export class Holds implements LinkEvents, Surroundings {
  readonly nodes: Nodes
  #apps = new Map<string, AppHolds>()
  #byId = new Map<HoldId, { hold: Hold; app: AppHolds }>()
  #asked = new Map<number, { app: AppHolds; link: NodeLink; waking?: Waking }>()
  #nextId = 1
  readonly #upstreams: Upstreams
  readonly #sweep: NodeJS.Timeout
  readonly #silence = new Silence(() => this.#byId.values().map(({ hold }) => hold))

  constructor(edge: EdgeId, upstreams: Upstreams, log: Logger) {
    this.nodes = new Nodes(edge, this, log)
    this.#upstreams = upstreams
    this.#sweep = setInterval(() => this.#forget(), 1_000)
  }

  of(route: Route): AppHolds {
    const known = this.#apps.get(route.key)
    if (known) {
      known.route = route
      return known
    }
    const app = new AppHolds(route, this)
    this.#apps.set(route.key, app)
    return app
  }

  /** As `of`, for a connection that belongs to this release: its route may be older than what is known now. */
  ofRelease(route: Route): AppHolds {
    return this.#apps.get(route.key) ?? this.of(route)
  }

  /** Requests in waiting rooms. */
  get waiting(): number {
    let waiting = 0
    for (const app of this.#apps.values()) waiting += app.room.size
    return waiting
  }

  close(): void {
    clearInterval(this.#sweep)
    this.#silence[Symbol.dispose]()
    for (const app of this.#apps.values()) app.close(new AppUnreachable('this edge is ending'))
    for (const { hold } of this.#byId.values())
      hold.link.send({ type: 'letGo', hold: hold.grant.hold, usage: hold.usage() })
    this.nodes.close()
  }

  chooseNode(route: Route, except: NodeId[]): NodeLink | undefined {
    const candidates: Candidate<NodeLink>[] = []
    for (const node of route.nodes) {
      const link = this.nodes.link(node)
      if (!link?.connected || except.includes(node)) continue
      const soft = this.nodes.softState(node)
      const app = soft?.apps.of(route.team, route.app)
      const own = app?.instances.filter(({ release }) => release === route.release) ?? []
      const ready = own.filter(({ state }) => state === 'parked' || state === 'running').length
      candidates.push({ node: link, load: soft?.state.load, freeMib: soft?.state.freeMib, ready })
    }
    return choose(candidates)
  }

  link(node: NodeId): NodeLink | undefined {
    return this.nodes.link(node)
  }

  acquire(link: NodeLink, app: AppHolds, not: InstanceId[], deadlineMs: number, only?: Bound): number {
    const id = this.#nextId++
    this.#asked.set(id, { app, link })
    link.send({
      type: 'acquire',
      id,
      team: app.route.team,
      app: app.route.app,
      release: app.route.release,
      not,
      only,
      deadlineMs,
    })
    return id
  }

  pool(grant: Grant) {
    return this.#upstreams.pool(grant)
  }

  added(hold: Hold, app: AppHolds): void {
    this.#byId.set(hold.grant.hold, { hold, app })
  }

  removed(hold: Hold): void {
    this.#byId.delete(hold.grant.hold)
  }

  held(link: NodeLink): HeldByEdge[] {
    this.#dropExpired()
    return this.#holdsOn(link).map((hold) => hold.asHeld())
  }

  usage(link: NodeLink): HoldUsage[] {
    return this.#holdsOn(link).map((hold) => hold.usage())
  }

  connected(link: NodeLink): void {
    for (const app of this.#apps.values()) app.linkBack(link)
  }

  disconnected(link: NodeLink): void {
    for (const [id, asked] of this.#asked) if (asked.link === link) this.#asked.delete(id)
    for (const app of this.#apps.values()) app.linkLost(link)
    if (performance.now() >= link.aliveUntil) for (const hold of this.#holdsOn(link)) hold.pool.doubt()
  }

  message(link: NodeLink, message: AgentMessage): void {
    switch (message.type) {
      case 'welcome':
      case 'renewed':
        return
      case 'granted':
        this.#granted(link, message)
        return
      case 'waking': {
        const asked = this.#asked.get(message.id)
        if (asked) asked.waking = message
        return
      }
      case 'awake': {
        const waking = this.#asked.get(message.id)?.waking
        if (waking) this.#granted(link, { ...waking, ...message, type: 'granted' })
        return
      }
      case 'refused': {
        const asked = this.#asked.get(message.id)
        this.#asked.delete(message.id)
        asked?.app.refused(message.id, link.node, message)
        return
      }
      case 'available':
        for (const app of this.#apps.values()) {
          if (app.route.app === message.app && app.route.team === message.team) app.available()
        }
        return
      case 'shrink': {
        const known = this.#byId.get(message.hold)
        if (known) known.app.shrink(known.hold, message.soft, message.hard)
        else link.send({ type: 'shrunk', hold: message.hold, soft: 0, hard: 0 })
        return
      }
      case 'gone':
        for (const { hold, app } of [...this.#byId.values()]) {
          const { instance, incarnation } = hold.grant
          if (instance === message.instance && incarnation === message.incarnation) app.drop(hold, message.reason)
        }
        this.#upstreams.gone(message.instance, message.incarnation, message.reason)
        return
    }
  }

  #granted(link: NodeLink, grant: Grant): void {
    const asked = this.#asked.get(grant.id)
    this.#asked.delete(grant.id)
    if (asked) {
      asked.app.granted(grant.id, grant, link)
      return
    }
    const usage = { hold: grant.hold, requests: 0, egressBytes: 0, inFlight: 0 }
    link.send({ type: 'letGo', hold: grant.hold, usage }) // asked for on an earlier connection: nobody wants it any more
  }

  #holdsOn(link: NodeLink): Hold[] {
    const holds: Hold[] = []
    for (const { hold } of this.#byId.values()) if (hold.link === link) holds.push(hold)
    return holds
  }

  /** Holds of an agent that is silent for too long are no longer ours. What is in flight may still come to its end. */
  #dropExpired(): void {
    const now = performance.now()
    for (const { hold, app } of [...this.#byId.values()]) {
      if (now >= hold.link.aliveUntil && hold.inFlight === 0) app.drop(hold)
    }
  }

  #forget(): void {
    this.#dropExpired()
    for (const [key, app] of this.#apps) if (app.empty) this.#apps.delete(key) // releases nobody asks for any more
  }
}
