import { join } from 'node:path'
import { z } from 'zod'
import { answer } from '../cluster/ask.ts'
import { Bucket } from '../cluster/bucket.ts'
import { CachedBucket } from '../cluster/cached-bucket.ts'
import type { Cluster } from '../cluster/connect.ts'
import { ensureStorage } from '../cluster/storage.ts'
import { read } from '../cluster/stream.ts'
import { subjects } from '../cluster/subjects.ts'
import { CostQuery } from '../model/cost.ts'
import { Node } from '../model/node.ts'
import { UsageRecord, usageKey } from '../model/usage.ts'
import { cost } from './cost.ts'
import { Intake } from './intake.ts'
import { openStore } from './store.ts'

/** The role: reads USAGE into the read model and answers what things cost. Resolves when the signal ends it. */
export async function runBilling(cluster: Cluster, { dataDir }: { dataDir: string }, signal: AbortSignal) {
  const database = openStore(join(dataDir, 'usage.sqlite'))
  const stopAnswering = answer(cluster, subjects.askBilling('cost'), CostQuery, (query) => cost(database, query))
  const nodes = await CachedBucket.open(new Bucket(cluster, 'nodes', Node), {
    file: join(dataDir, 'nodes.json'),
    onChange: (change) => queueMicrotask(() => change.type === 'put' && intake.nodeKnown(change.key)),
  })
  const intake = new Intake(database, (node) => {
    const key = nodes.value(node)?.publicKey
    return key === undefined ? undefined : usageKey(key)
  })
  try {
    await storageReady(cluster, signal)
    await takeIn(cluster, intake, signal)
  } finally {
    stopAnswering()
    await nodes.close()
    database.close()
  }
}

async function takeIn(cluster: Cluster, intake: Intake, signal: AbortSignal): Promise<void> {
  const batches = read(cluster, {
    stream: 'USAGE',
    filter: 'usage.>',
    schema: z.array(UsageRecord),
    start: { at: 'sequence', sequence: intake.position + 1 },
    follow: true,
    signal,
    onUnreadable: (sequence, error) => cluster.log?.error({ sequence, error: String(error) }, 'unreadable usage'),
  })
  for await (const { sequence, subject, value } of batches) intake.take(sequence, subject.slice('usage.'.length), value)
}

async function storageReady(cluster: Cluster, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await cluster.connection('the streams', 60_000, signal)
      await ensureStorage(cluster)
      return
    } catch (error) {
      if (!signal.aborted) cluster.log?.warn({ error: String(error) }, 'the streams are not there yet')
    }
  }
}
