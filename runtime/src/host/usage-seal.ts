import { sign } from 'node:crypto'
import { type UsageRecord, usageHash } from '../model/usage.ts'
import type { UsageKey } from './usage-key.ts'

/** A closed interval: it has its place in the sequence, but no hash and signature yet. */
export type ClosedInterval = Omit<UsageRecord, 'previousHash' | 'hash' | 'signature'>

/**
 * Chains and signs. Everything in it is deterministic (ed25519 too), so after a crash the same intervals become the same
 * records again, byte by byte, and nothing of it has to be written down.
 */
export function seal(intervals: readonly ClosedInterval[], previousHash: string, key: UsageKey): UsageRecord[] {
  let previous = previousHash
  return intervals.map((interval) => {
    const unsigned = { ...interval, previousHash: previous }
    const hash = usageHash(unsigned)
    previous = hash
    return { ...unsigned, hash, signature: sign(null, Buffer.from(hash, 'hex'), key.private).toString('base64') }
  })
}
