import { sign } from 'node:crypto'
import { promisify } from 'node:util'
import { type UsageRecord, usageHash } from '../model/usage.ts'
import type { UsageKey } from './usage-key.ts'

const signInPool = promisify(sign)

/** A closed interval: it has its place in the sequence, but no hash and signature yet. */
export type ClosedInterval = Omit<UsageRecord, 'previousHash' | 'hash' | 'signature'>

/**
 * Chains and signs. Everything in it is deterministic (ed25519 too), so after a crash the same intervals become the same
 * records again, byte by byte, and nothing of it has to be written down. A signature takes some 0.1 ms, so they are made
 * in the thread pool: on the agent's main thread a busy second's worth would make a wake late.
 */
export async function seal(intervals: readonly ClosedInterval[], previousHash: string, key: UsageKey) {
  const records: UsageRecord[] = []
  let previous = previousHash
  for (const interval of intervals) {
    const unsigned = { ...interval, previousHash: previous }
    const hash = usageHash(unsigned)
    previous = hash
    const signature = await signInPool(null, Buffer.from(hash, 'hex'), key.private)
    records.push({ ...unsigned, hash, signature: signature.toString('base64') })
  }
  return records
}
