import { z } from 'zod'
import type { Cluster } from '../cluster/connect.ts'
import { listen } from '../cluster/soft.ts'
import { subjects } from '../cluster/subjects.ts'
import { type NodeId, nodeId } from '../core/ids.ts'

const Instance = z.object({
  id: z.string(),
  state: z.string(),
  incarnation: z.number(),
  memoryMib: z.number(),
  requests: z.number(),
  sinceMs: z.number(),
})
const Soft = z.object({
  node: z.string().transform(nodeId),
  load: z.number(),
  freeMib: z.number(),
  apps: z.array(z.object({ team: z.string(), app: z.string(), release: z.number(), instances: z.array(Instance) })),
})
export type Soft = z.infer<typeof Soft> & { heardAt: number }

/** A node that has been silent for longer takes nothing new: it tells its state twice a second, so six were missed. */
export const silentMs = 3_000

/** What the nodes last said of themselves. */
export class SoftStates implements Disposable {
  readonly #nodes = new Map<NodeId, Soft>()
  readonly #stop: () => void
  #heard = Promise.withResolvers<void>()

  constructor(cluster: Cluster) {
    this.#stop = listen(cluster, subjects.softNodes, Soft, (soft) => {
      this.#nodes.set(soft.node, { ...soft, heardAt: Date.now() })
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
