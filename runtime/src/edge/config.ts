import { z } from 'zod'
import { NatsConfig } from '../cluster/connect.ts'
import { edgeId, nodeId } from '../core/ids.ts'

/** What `little up` (or an operator) hands an edge. */
export const EdgeConfig = z.object({
  nats: NatsConfig,
  edge: z.string().transform(edgeId),
  /** The node on this edge's own machine; another machine's may well have its Unix socket at the same path. */
  node: z.string().transform(nodeId).optional(),
  dataDir: z.string(),
  listen: z.object({ host: z.string(), port: z.number().int() }),
  /** File with 32 bytes in hex: proves this edge to nodes on other machines. */
  clusterKey: z.string(),
  /** Prometheus metrics; absent: none are served. */
  metrics: z.object({ host: z.string(), port: z.number().int() }).optional(),
  /** True where nodes are on other machines: their guests' addresses are then routed by way of the node. */
  routeToNodes: z.boolean().default(false),
})
export type EdgeConfig = z.infer<typeof EdgeConfig>
