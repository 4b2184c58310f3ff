import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { z } from 'zod'

/** Bump when a field changes meaning; readers refuse versions they do not know. */
export const usageVersion = 1

/**
 * Who used what, where, from when to when; made and signed by the node, chained by hash, sent in batches.
 * `hash` is sha256 over the canonical JSON of all other fields but `signature`; `signature` is the node's ed25519 over
 * the bytes of `hash`, in base64.
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
  /** Who kept it awake: edges' holds, and `stay-awake` for files inside. */
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

/** What the first record of a node names as the one before it. */
export const firstPreviousHash = '0'.repeat(64)

/** Over the canonical JSON: all fields but hash and signature, sorted by name, without spaces. Hex. */
export function usageHash(record: Omit<UsageRecord, 'hash' | 'signature'>): string {
  const fields = Object.entries(record).filter(([name]) => name !== 'hash' && name !== 'signature')
  fields.sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify(Object.fromEntries(fields)))
    .digest('hex')
}

/** A node's public key as it announces it: ed25519, SPKI DER in base64. Throws if it is none. */
export const usageKey = (base64: string): KeyObject =>
  createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' })

/** True if nothing in the record was changed since this node signed it. Says nothing about its place in the chain. */
export function isSignedBy(record: UsageRecord, key: KeyObject): boolean {
  if (usageHash(record) !== record.hash) return false
  return verify(null, Buffer.from(record.hash, 'hex'), key, Buffer.from(record.signature, 'base64'))
}
