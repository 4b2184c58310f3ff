import { z } from 'zod'
import { NatsConfig } from '../cluster/connect.ts'
import { nodeId } from '../core/ids.ts'

/** What `little up` (or an operator) hands a host agent. */
export const HostConfig = z.object({
  nats: NatsConfig,
  node: z.string().transform(nodeId),
  dataDir: z.string(),
  region: z.string().default('local'),
  /** Guests' addresses on this node. Each node of a cloud has another. */
  subnet: z.string().default('10.77.0.0/16'),
  /** Where other machines reach this node; absent: it serves only edges on this machine. */
  address: z.string().optional(),
  holds: z.object({ unix: z.string(), tcp: z.object({ host: z.string(), port: z.number().int() }).optional() }),
  /** Where images are fetched, and with what. */
  control: z.object({ url: z.string(), tokenFile: z.string() }),
  /** File with 32 bytes in hex: opens secrets, proves edges on other machines. */
  clusterKey: z.string(),
  /** Other teams than the owner's may run here though isolation is emulated. */
  foreignOnEmulated: z.boolean().default(false),
  /** Memory for instances, MiB; absent: the machine's, less what the cloud itself and the system need. */
  memoryBudgetMib: z.number().int().optional(),
  /** Addresses of edges on other machines: they alone may open connections to guests from outside. */
  edges: z.array(z.string()).default([]),
})
export type HostConfig = z.infer<typeof HostConfig>
