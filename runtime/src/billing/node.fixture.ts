import { generateKeyPairSync, sign } from 'node:crypto'
import type { Cluster } from '../cluster/connect.ts'
import { publish } from '../cluster/stream.ts'
import { firstPreviousHash, type UsageRecord, usageHash, usageVersion } from '../model/usage.ts'

/** A node as billing sees it: signs and chains by itself, because roles do not import each other. Runs last 100 ms. */
export function testNode(node: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  let previousHash = firstPreviousHash
  let sequence = 0
  const record = (change: Partial<UsageRecord> = {}): UsageRecord => {
    sequence += 1
    const startUs = 1_800_000_000_000_000 + sequence * 1_000_000
    const unsigned: Omit<UsageRecord, 'hash' | 'signature'> = {
      version: usageVersion,
      node,
      edges: ['e1'],
      team: 'main',
      app: 'hello',
      release: 1,
      instance: 'i-1',
      incarnation: 1,
      holds: ['h1'],
      kind: 'run',
      sequence,
      previousHash,
      isolation: 'emulated',
      startUs,
      endUs: startUs + 100_000,
      vcpus: 1,
      memoryMib: 256,
      egressBytes: 100,
      requests: 1,
      ...change,
    }
    previousHash = usageHash(unsigned)
    const signature = sign(null, Buffer.from(previousHash, 'hex'), privateKey).toString('base64')
    return { ...unsigned, hash: previousHash, signature }
  }
  return {
    publicKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
    record,
    /** Until it is acknowledged, as the agent's sender does it. */
    async send(cluster: Cluster, records: UsageRecord[]) {
      const messageId = `${node}-${records[0]?.sequence}-${records.at(-1)?.sequence}`
      for (;;) {
        try {
          return await publish(cluster, `usage.${node}`, records, { messageId, deadlineMs: 20_000 })
        } catch (error) {
          if (cluster.closing.aborted) throw error
        }
      }
    },
  }
}
