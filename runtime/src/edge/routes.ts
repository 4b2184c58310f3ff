import type { AppName, NodeId, TeamId } from '../core/ids.ts'
import type { App } from '../model/app.ts'
import type { Release } from '../model/release.ts'

/** Where requests for one hostname go. A new object whenever anything of it changes. */
export interface Route {
  /** Names the release: holds of an older one are not used for it. */
  key: string
  team: TeamId
  app: AppName
  hostname: string
  stopped: boolean
  release: number
  concurrency: { soft: number; hard: number }
  maxInstances: number
  idleMs: number
  wakeDeadlineMs: number
  /** The nodes that keep the release ready. */
  nodes: NodeId[]
}

/** More spellings of Host headers than this are an attack on the cache below. */
const maxSpellings = 10_000

/** Host header → app. A watcher fills it; requests only look. */
export class Routes {
  #byName = new Map<string, Route>()
  #byApp = new Map<string, Route>()
  /** Host headers as clients wrote them, so that the usual request costs one look-up. */
  #spellings = new Map<string, Route>()

  /** `release` is the app's current one; undefined while its first is still being made. */
  set(app: App, release: Release | undefined, nodes: NodeId[]): void {
    this.remove(app.team, app.name)
    const route: Route = {
      key: `${app.team}/${app.name}/${release?.number ?? 0}`,
      team: app.team,
      app: app.name,
      hostname: app.hostname.toLowerCase(),
      stopped: app.stopped,
      release: release?.number ?? 0,
      concurrency: release?.concurrency ?? { soft: 1, hard: 1 },
      maxInstances: release?.maxInstances ?? 1,
      idleMs: release?.idleMs ?? 1_000,
      wakeDeadlineMs: release?.wakeDeadlineMs ?? 10_000,
      nodes,
    }
    this.#byName.set(route.hostname, route)
    this.#byApp.set(`${app.team}/${app.name}`, route)
  }

  remove(team: TeamId, app: AppName): void {
    const route = this.#byApp.get(`${team}/${app}`)
    if (!route) return
    this.#byApp.delete(`${team}/${app}`)
    if (this.#byName.get(route.hostname) === route) this.#byName.delete(route.hostname)
    this.#spellings.clear()
  }

  /** `host` as in the Host header: any case, with or without a port, with or without the root's dot. */
  byHost(host: string): Route | undefined {
    const known = this.#spellings.get(host)
    if (known) return known
    const route = this.#byName.get(host.replace(/:\d+$/, '').replace(/\.$/, '').toLowerCase())
    if (route && this.#spellings.size < maxSpellings) this.#spellings.set(host, route)
    return route
  }

  get size(): number {
    return this.#byName.size
  }
}
