import { Registry } from 'prom-client'
import { z } from 'zod'
import { counter, gauge } from '../core/figures.ts'
import { answer } from './ask.ts'
import { askAll } from './ask-all.ts'
import type { Cluster } from './connect.ts'
import { subjects } from './subjects.ts'

/** One role's metrics, in Prometheus' text format. */
export const RoleMetrics = z.object({ role: z.string(), name: z.string(), text: z.string() })
export type RoleMetrics = z.infer<typeof RoleMetrics>

/** A registry with what every role's process has: its own use of the machine, and its line to NATS. */
export function roleRegistry(cluster: Cluster): Registry {
  const registry = new Registry()
  gauge(registry, 'process_start_time_seconds', 'When the process started, since the epoch', () => startedAt)
  gauge(registry, 'process_resident_memory_bytes', 'Memory of the process', () => process.memoryUsage.rss())
  counter(registry, 'process_cpu_seconds_total', 'CPU time of the process', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  const away = () => cluster.link.state !== 'connected'
  gauge(registry, 'little_nats_connected', '1 while NATS answers', () => (away() ? 0 : 1))
  gauge(registry, 'little_nats_away_seconds', 'How long NATS has been away', () =>
    away() ? (Date.now() - cluster.link.since) / 1000 : 0,
  )
  return registry
}

const startedAt = Date.now() / 1000 - process.uptime()

/** Gives control this role's metrics whenever it asks. Returns how to stop. */
export function tellMetrics(cluster: Cluster, me: { role: string; name: string }, registry: Registry): () => void {
  return answer(cluster, subjects.askAll('metrics'), z.unknown(), async (): Promise<RoleMetrics> => {
    return { ...me, text: await registry.metrics() }
  })
}

export const allMetrics = (cluster: Cluster): Promise<RoleMetrics[]> =>
  askAll(cluster, subjects.askAll('metrics'), {}, RoleMetrics)
