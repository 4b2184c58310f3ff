import { z } from 'zod'
import type { Cluster } from '../cluster/connect.ts'
import { HeardApps } from '../cluster/heard-apps.ts'
import { listen } from '../cluster/soft.ts'
import { subjects } from '../cluster/subjects.ts'
import { type NodeId, nodeId } from '../core/ids.ts'

const Instance = z.object({
  id: z.string(),
  release: z.number(),
  state: z.string(),
  incarnation: z.number(),
  memoryMib: z.number(),
  requests: z.number(),
  sinceMs: z.number(),
})
export const Memory = z.object({
  budgetMib: z.number(),
  usedMib: z.number(),
  reservedMib: z.number(),
  states: z.record(z.string(), z.number()),
})
const App = z.object({ team: z.string(), app: z.string(), instances: z.array(Instance) })
const Soft = z.object({
  node: z.string().transform(nodeId),
  epoch: z.string(),
  load: z.number(),
  freeMib: z.number(),
  memory: Memory,
  apps: z.array(App),
})
export type Soft = Omit<z.infer<typeof Soft>, 'apps'> & { apps: HeardApps<z.infer<typeof App>>; heardAt: number }

/** A node that has been silent for longer takes nothing new: it tells its state twice a second, so six were missed. */
export const silentMs = 3_000

/** What the nodes last said of themselves. */
export class SoftStates implements Disposable {
  readonly #nodes = new Map<NodeId, Soft>()
  readonly #stop: () => void
  #heard = Promise.withResolvers<void>()

  constructor(cluster: Cluster) {
    this.#stop = listen(cluster, subjects.softNodes, Soft, (soft) => {
      const known = this.#nodes.get(soft.node)
      const apps = known?.epoch === soft.epoch ? known.apps : new HeardApps<z.infer<typeof App>>()
      apps.hear(soft.apps, Date.now())
      this.#nodes.set(soft.node, { ...soft, apps, heardAt: Date.now() })
      this.#heard.resolve()
      this.#heard = Promise.withResolvers()
    })
  }

  of(node: NodeId): Soft | undefined {
    return this.#nodes.get(node)
  }

  fresh(node: NodeId): Soft | undefined {
    const soft = this.#nodes.get(node)
    return soft && Date.now() - soft.heardAt < silentMs ? soft : undefined
  }

  /** Resolves when the next node speaks, or after `limitMs`. */
  async next(limitMs: number): Promise<void> {
    const limit = Promise.withResolvers<void>()
    const timer = setTimeout(limit.resolve, limitMs)
    await Promise.race([this.#heard.promise, limit.promise])
    clearTimeout(timer)
  }

  [Symbol.dispose]() {
    this.#stop()
  }
}
