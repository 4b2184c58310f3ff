import { z } from 'zod'

/** Bump when a field changes meaning; readers refuse versions they do not know. */
export const usageVersion = 1

/**
 * Who used what, where, from when to when; made and signed by the node, chained by hash, sent in batches.
 * `hash` is sha256 over the canonical JSON of all other fields but `signature`; `signature` is the node's ed25519 over `hash`.
 */
export const UsageRecord = z.object({
  version: z.literal(usageVersion),
  node: z.string(),
  /** The edges that held the instance during the interval. */
  edges: z.array(z.string()),
  team: z.string(),
  app: z.string(),
  release: z.number().int(),
  instance: z.string(),
  incarnation: z.number().int(),
  holds: z.array(z.string()),
  /** 'run' is billed; 'prepare' (start, warm-up) has a line of its own at price 0. */
  kind: z.enum(['run', 'prepare']),
  /** 1, 2, 3 … per node, without a gap: (node, sequence) makes delivery idempotent. */
  sequence: z.number().int(),
  previousHash: z.string(),
  isolation: z.enum(['hardware', 'emulated']),
  /** Wall clock, µs since the epoch: QEMU's RESUME and STOP events. */
  startUs: z.number().int(),
  endUs: z.number().int(),
  vcpus: z.number().int(),
  memoryMib: z.number().int(),
  egressBytes: z.number().int(),
  requests: z.number().int(),
  hash: z.string(),
  signature: z.string(),
})
export type UsageRecord = z.infer<typeof UsageRecord>

export const runMs = (record: Pick<UsageRecord, 'startUs' | 'endUs'>) => (record.endUs - record.startUs) / 1000
