import type { AppTraffic } from '../cluster/subjects.ts'
import type { AppName, TeamId } from '../core/ids.ts'
import { Buckets } from '../core/latency.ts'

/** More apps are counted together: whoever stores metrics pays for each name for ever. */
const namedApps = 1_000

/** What one app was asked here, since this edge started. */
export interface Counted {
  team: TeamId | ''
  app: AppName | 'other'
  requests: number
  wakes: number
  readonly firstByte: Buckets
}

/** Requests by app. */
export class Traffic {
  readonly #apps = new Map<string, Counted>()
  readonly #ofRoute = new WeakMap<object, Counted>()
  readonly #others = newCounted('', 'other')

  /** The route is looked up as the object that it is: a request costs one look. */
  of(route: { team: TeamId; app: AppName }): Counted {
    const known = this.#ofRoute.get(route)
    if (known) return known
    const counted = this.#ofApp(route.team, route.app)
    this.#ofRoute.set(route, counted)
    return counted
  }

  #ofApp(team: TeamId, app: AppName): Counted {
    const key = `${team}/${app}`
    const known = this.#apps.get(key)
    if (known) return known
    if (this.#apps.size >= namedApps) return this.#others
    const counted = newCounted(team, app)
    this.#apps.set(key, counted)
    return counted
  }

  *by(figure: 'requests' | 'wakes'): Generator<[string, number]> {
    for (const counted of this.#all()) yield [`${counted.team}/${counted.app}`, counted[figure]]
  }

  all(): AppTraffic[] {
    return [...this.#all()].map(({ team, app, requests, wakes, firstByte }) => {
      return { team, app, requests, wakes, firstByte: [...firstByte.counts] }
    })
  }

  *#all(): Generator<Counted> {
    yield* this.#apps.values()
    if (this.#others.firstByte.total > 0) yield this.#others
  }
}

function newCounted(team: TeamId | '', app: AppName | 'other'): Counted {
  return { team, app, requests: 0, wakes: 0, firstByte: new Buckets() }
}
