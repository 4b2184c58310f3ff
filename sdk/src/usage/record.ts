import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'

/** Who used what, where, from when to when, as its node signed it. The fields are those of the API's description. */
export interface UsageRecord {
  node: string
  team: string
  app: string
  kind: 'run' | 'prepare'
  sequence: number
  previousHash: string
  startUs: number
  endUs: number
  vcpus: number
  memoryMib: number
  egressBytes: number
  requests: number
  hash: string
  signature: string
}

/** Of another team's record its reader gets only what holds the chain together. */
export type SealedRecord = Pick<UsageRecord, 'node' | 'sequence' | 'previousHash' | 'hash' | 'signature'>

/** What the first record of a node names as the one before it. */
export const noHash = '0'.repeat(64)

/**
 * sha256, in hex, over the JSON of all fields but `hash` and `signature`, sorted by name, without spaces. Written here
 * and not taken from the cloud's own code: who checks should not have to trust what made the records.
 */
export function hashOf(record: object): string {
  const fields = Object.entries(record).filter(([name]) => name !== 'hash' && name !== 'signature')
  fields.sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify(Object.fromEntries(fields)))
    .digest('hex')
}

/** ed25519 over the bytes of the hash. */
export function isSigned({ hash, signature }: Pick<UsageRecord, 'hash' | 'signature'>, key: KeyObject): boolean {
  return verify(null, Buffer.from(String(hash), 'hex'), key, Buffer.from(String(signature), 'base64'))
}

/** A node's public key as the cloud gives it: SPKI DER in base64. */
export const publicKey = (base64: string): KeyObject =>
  createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' })

/** A key as two people compare it. */
export const fingerprint = (base64: string) =>
  `sha256:${createHash('sha256').update(Buffer.from(base64, 'base64')).digest('hex').slice(0, 32)}`
