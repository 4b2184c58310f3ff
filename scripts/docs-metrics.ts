import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fastify } from 'fastify'
import { Registry } from 'prom-client'
import { registerBillingMetrics } from '../runtime/src/billing/metrics.ts'
import { Cluster } from '../runtime/src/cluster/connect.ts'
import { roleRegistry } from '../runtime/src/cluster/metrics.ts'
import { countRequests } from '../runtime/src/control/metrics.ts'
import { Metrics } from '../runtime/src/edge/metrics.ts'
import { registerHostMetrics } from '../runtime/src/host/metrics.ts'

export const page = join(import.meta.dirname, '../docs/metrics.md')
const [begin, end] = ['<!-- made by scripts/docs-metrics.ts -->', '<!-- end -->']

export interface Metric {
  name: string
  type: string
  help: string
  label: string | undefined
}

/** Every metric of every role, as the role itself registers it. */
export async function metrics(): Promise<Metric[]> {
  await using cluster = Cluster.open({ url: '127.0.0.1:1', user: '', pass: '' }, { name: 'docs' })
  const roles = new Registry()
  new Metrics(roles)
  registerHostMetrics(roles, {
    fleet: { instances: [], on: () => undefined as never },
    meter: { progress: { closed: 0, acknowledged: 0 }, damage: { slots: 0, records: 0, tornBytes: 0 } },
    logs: { counted: { lines: 0, shed: 0 }, queuedBytes: 0, droppedLines: 0 },
    boost: undefined,
    staleSince: () => undefined,
  })
  registerBillingMetrics(roles, { report: () => [], position: 0, waiting: 0 }, async () => 0)
  countRequests(fastify(), roles)
  return [roles, roleRegistry(cluster)].flatMap(metricsOf)
}

/** prom-client tells no types of what it stores. */
function metricsOf(registry: Registry): Metric[] {
  const stored = registry.getMetricsAsArray() as unknown as (Metric & { labelNames?: string[] })[]
  return stored.map((metric) => {
    const { name, help, labelNames } = metric
    return { name, help, type: metric.type ?? metric.constructor.name.toLowerCase(), label: labelNames?.[0] }
  })
}

/** The page with its table made anew. */
export async function written(): Promise<string> {
  const text = readFileSync(page, 'utf8')
  const rows = (await metrics()).map(({ name, type, help, label }) => {
    return `| \`${name}${label ? `{${label}}` : ''}\` | ${type} | ${help} |`
  })
  const table = ['| metric | type | what it says |', '|---|---|---|', ...rows].join('\n')
  const [head = '', rest = ''] = text.split(begin)
  return `${head}${begin}\n\n${table}\n\n${end}${rest.split(end)[1] ?? ''}`
}

if (import.meta.main) writeFileSync(page, await written())
