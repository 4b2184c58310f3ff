import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { answer } from '../cluster/ask.ts'
import { Bucket } from '../cluster/bucket.ts'
import { CachedBucket } from '../cluster/cached-bucket.ts'
import { Cluster } from '../cluster/connect.ts'
import { roleRegistry, tellMetrics } from '../cluster/metrics.ts'
import { ensureStorage } from '../cluster/storage.ts'
import { lastSequence, read } from '../cluster/stream.ts'
import { subjects } from '../cluster/subjects.ts'
import { LittleError, raise } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import { CostQuery } from '../model/cost.ts'
import { Node } from '../model/node.ts'
import { UsageRecord, usageKey } from '../model/usage.ts'
import type { BillingConfig } from './config.ts'
import { audit, cost } from './cost.ts'
import { Intake } from './intake.ts'
import { registerBillingMetrics } from './metrics.ts'
import { openStore } from './store.ts'

/** The role: reads USAGE into the read model and answers what things cost, until it is disposed of. */
export async function startBilling(config: BillingConfig, log: Logger): Promise<AsyncDisposable> {
  const cluster = Cluster.open(config.nats, { name: 'billing', log })
  const database = openStore(join(config.dataDir, 'usage.sqlite'))
  const keys = new Map<string, KeyObject>()
  const intake = new Intake(database, (node) => keys.get(node))
  const nodes = await CachedBucket.open(new Bucket(cluster, 'nodes', Node), {
    file: join(config.dataDir, 'nodes.json'),
    onChange: (change) => {
      if (change.type === 'removed') return // what the node used before it left is still to be verified
      keys.set(change.key, usageKey(change.value.publicKey))
      intake.nodeKnown(change.key)
    },
  })
  const registry = roleRegistry(cluster)
  registerBillingMetrics(registry, intake, () => lastSequence(cluster, 'USAGE'))
  const stops = [
    tellMetrics(cluster, { role: 'billing', name: 'billing' }, registry),
    answer(cluster, subjects.askBilling('chains'), z.unknown(), () => ({
      chains: intake.report(),
      waiting: intake.waiting,
    })),
    answer(cluster, subjects.askBilling('cost'), CostQuery, (query) => cost(database, query)),
    answer(cluster, subjects.askBilling('audit'), CostQuery, (query) => audit(database, intake.position, query)),
  ]
  const ending = new AbortController()
  const reading = takeInForEver(cluster, intake, ending.signal)
  // A read model that cannot be written is nothing to go on with: the process ends, and the supervisor starts it again.
  reading.catch((error) => queueMicrotask(() => raise(error)))
  return {
    async [Symbol.asyncDispose]() {
      ending.abort()
      for (const stop of stops) stop()
      await reading
      await nodes.close()
      await cluster.close()
      database.close()
    },
  }
}

/** An outage before the reading began is waited for here; those that come later, in `read`. */
async function takeInForEver(cluster: Cluster, intake: Intake, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await cluster.connection('the streams', 60_000, signal)
      await ensureStorage(cluster)
      await takeIn(cluster, intake, signal)
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof LittleError)) throw error
      cluster.log?.warn({ error: error.message }, 'the usage stream is not there yet')
      await delay(250, undefined, { signal }).catch(() => {})
    }
  }
}

async function takeIn(cluster: Cluster, intake: Intake, signal: AbortSignal): Promise<void> {
  // A stream that ends before our position was made anew: its first message is as new as any, and no record counts twice.
  const position = (await lastSequence(cluster, 'USAGE')) < intake.position ? 0 : intake.position
  const batches = read(cluster, {
    stream: 'USAGE',
    filter: 'usage.>',
    schema: z.array(UsageRecord),
    start: { at: 'sequence', sequence: position + 1 },
    follow: true,
    signal,
    onUnreadable: (sequence, error) => cluster.log?.error({ sequence, error: String(error) }, 'unreadable usage'),
  })
  for await (const { sequence, subject, value } of batches) intake.take(sequence, subject.slice('usage.'.length), value)
}
