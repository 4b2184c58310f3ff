/** What stands for an app in a node's announcements. */
interface AppOfNode {
  team: string
  app: string
  instances: readonly unknown[]
}

/** Each app is told again within this time, changed or not; whoever is not is no longer there. */
export const toldAgainMs = 10_000
const forgottenAfterMs = 3 * toldAgainMs

/**
 * What one node has of each app. Nodes tell changes at once and everything else in turn (see NodeSoftState), so that a
 * node with a thousand sleeping apps says little, and a lost message is made good by a later one.
 */
export class HeardApps<A extends AppOfNode> {
  readonly #apps = new Map<string, { app: A; heardAt: number }>()
  #lookedAt = 0

  hear(apps: readonly A[], now: number) {
    for (const app of apps) {
      const key = `${app.team}.${app.app}`
      if (app.instances.length === 0) this.#apps.delete(key)
      else this.#apps.set(key, { app, heardAt: now })
    }
    if (now - this.#lookedAt < toldAgainMs) return
    this.#lookedAt = now
    for (const [key, { heardAt }] of this.#apps) if (now - heardAt > forgottenAfterMs) this.#apps.delete(key)
  }

  of(team: string, app: string): A | undefined {
    return this.#apps.get(`${team}.${app}`)?.app
  }

  all(): A[] {
    return [...this.#apps.values()].map(({ app }) => app)
  }
}
