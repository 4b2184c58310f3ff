import { z } from 'zod'
import { nodeId } from '../core/ids.ts'

/** A machine that runs instances, as it announces itself; kept in the KV, renewed at each start of its host agent. */
export const Node = z.object({
  id: z.string().transform(nodeId),
  region: z.string(),
  isolation: z.enum(['hardware', 'emulated']),
  accelerator: z.enum(['kvm', 'tcg']),
  /** Its operator lets other teams than the owner's run here though isolation is emulated. */
  foreignOnEmulated: z.boolean().default(false),
  cpus: z.number().int(),
  memoryMib: z.number().int(),
  /** Guests' addresses on this node, CIDR; edges elsewhere route it via `address`. */
  subnet: z.string(),
  /** Where other machines reach this node; undefined on a single machine. */
  address: z.string().optional(),
  /** Where edges speak the holds protocol: a Unix socket's path for edges on the same machine, TCP for others. */
  holds: z.object({ unix: z.string(), tcp: z.object({ host: z.string(), port: z.number().int() }).optional() }),
  /** ed25519, SPKI DER in base64: signs usage records. */
  publicKey: z.string(),
  /** Random per start of the agent: tells edges and readers that it restarted. */
  epoch: z.string(),
})
export type Node = z.infer<typeof Node>
