import { z } from 'zod'
import { runBilling } from '../billing/billing.ts'
import { Cluster, NatsConfig } from '../cluster/connect.ts'
import { readRoleConfig } from '../core/config.ts'
import { createLog } from '../core/log.ts'

const BillingConfig = z.object({ nats: NatsConfig, dataDir: z.string() })

const config = readRoleConfig(BillingConfig)
const log = createLog('billing')
const ending = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.abort())

await using cluster = Cluster.open(config.nats, { name: 'billing', log })
await runBilling(cluster, config, ending.signal)
