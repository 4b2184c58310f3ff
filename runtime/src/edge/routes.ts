import type { AppName, NodeId, TeamId } from '../core/ids.ts'
import type { App } from '../model/app.ts'
import type { Release } from '../model/release.ts'

/** A release that takes requests, and the nodes that have it. */
export interface Target {
  release: Release
  nodes: NodeId[]
}

/** Where requests for one hostname go. A new object whenever anything of it changes. */
export interface Route {
  /** Names the release: holds of another one are not used for it. */
  key: string
  team: TeamId
  app: AppName
  hostname: string
  stopped: boolean
  release: number
  concurrency: { soft: number; hard: number }
  maxInstances: number
  idleMs: number
  /** How long a tunnel's client may wait for an answer before silence is idleness. */
  maxBusyMs: number
  /** For an app that speaks TCP: the edge's port that is its own. */
  tcpPort: number | undefined
  wakeDeadlineMs: number
  /** The nodes that keep the release ready. */
  nodes: NodeId[]
  /** Two releases share the requests: replies say which one it was. */
  shared: boolean
}

/** What a hostname stands for: the live release, and a canary with its share of the requests. */
interface Routed {
  live: Route
  canary: { route: Route; share: number } | undefined
  createdAt: number
  /** The live release as it was last known, for as long as its successor's is not. */
  target: Target | undefined
}

/** More spellings of Host headers than this are an attack on the cache below. */
const maxSpellings = 10_000

/** Host header → app. A watcher fills it; requests only look. */
export class Routes {
  /** Called after each change; the listener on apps' ports sets it. */
  changed: () => void = () => {}
  #byName = new Map<string, Routed>()
  #byPort = new Map<number, Routed>()
  #byApp = new Map<string, Routed>()
  /** Host headers as clients wrote them, so that the usual request costs one look-up. */
  #spellings = new Map<string, Routed>()

  /**
   * `live` is undefined while the app's first release is still being made, and while not all of a new one is known yet:
   * then the one before goes on.
   */
  set(app: App, live: Target | undefined, canary: Target | undefined): void {
    const before = this.#byApp.get(`${app.team}/${app.name}`)
    this.#forget(app.team, app.name)
    const target = live ?? (app.release > 0 && before?.createdAt === app.createdAt ? before.target : undefined)
    const share = (app.canary?.percent ?? 0) / 100
    const shared = canary !== undefined
    const routed: Routed = {
      live: routeTo(app, target, shared),
      canary: canary && { route: routeTo(app, canary, shared), share },
      createdAt: app.createdAt,
      target,
    }
    this.#byName.set(routed.live.hostname, routed)
    this.#byApp.set(`${app.team}/${app.name}`, routed)
    const { tcpPort, stopped } = routed.live
    if (tcpPort !== undefined && !stopped) this.#byPort.set(tcpPort, routed)
    this.changed()
  }

  remove(team: TeamId, app: AppName): void {
    this.#forget(team, app)
    this.changed()
  }

  #forget(team: TeamId, app: AppName): void {
    const routed = this.#byApp.get(`${team}/${app}`)
    if (!routed) return
    this.#byApp.delete(`${team}/${app}`)
    if (this.#byName.get(routed.live.hostname) === routed) this.#byName.delete(routed.live.hostname)
    const port = routed.live.tcpPort
    if (port !== undefined && this.#byPort.get(port) === routed) this.#byPort.delete(port)
    this.#spellings.clear()
  }

  /**
   * `host` as in the Host header: any case, with or without a port, with or without the root's dot. Each call draws
   * anew between the live release and its canary.
   */
  byHost(host: string): Route | undefined {
    const known = this.#spellings.get(host)
    if (known) return draw(known)
    const routed = this.#byName.get(host.replace(/:\d+$/, '').replace(/\.$/, '').toLowerCase())
    if (routed && this.#spellings.size < maxSpellings) this.#spellings.set(host, routed)
    return routed && draw(routed)
  }

  /** The app goes on, but the route's release takes requests no more. */
  overtaken({ team, app, key }: Route): boolean {
    const routed = this.#byApp.get(`${team}/${app}`)
    return routed !== undefined && routed.live.key !== key && routed.canary?.route.key !== key
  }

  /** Where connections to a port go; undefined: nobody is meant to listen there. */
  byPort(port: number): Route | undefined {
    const routed = this.#byPort.get(port)
    return routed && draw(routed)
  }

  /** The ports that apps have. */
  get ports(): Iterable<number> {
    return this.#byPort.keys()
  }

  get size(): number {
    return this.#byName.size
  }
}

const draw = ({ live, canary }: Routed): Route => (canary && Math.random() < canary.share ? canary.route : live)

function routeTo(app: App, target: Target | undefined, shared: boolean): Route {
  const release = target?.release
  return {
    key: `${app.team}/${app.name}/${release?.number ?? 0}`,
    team: app.team,
    app: app.name,
    hostname: app.hostname.toLowerCase(),
    stopped: app.stopped,
    release: release?.number ?? 0,
    concurrency: release?.concurrency ?? { soft: 1, hard: 1 },
    maxInstances: release?.maxInstances ?? 1,
    idleMs: release?.idleMs ?? 1_000,
    maxBusyMs: release?.maxBusyMs ?? 0,
    tcpPort: release?.tcp?.hostPort,
    wakeDeadlineMs: release?.wakeDeadlineMs ?? 10_000,
    nodes: target?.nodes ?? [],
    shared,
  }
}
