import type { Registry } from 'prom-client'
import { z } from 'zod'
import type { Cluster } from '../../cluster/connect.ts'
import { allMetrics } from '../../cluster/metrics.ts'
import type { Cloud } from '../cloud.ts'
import { merged } from '../metrics.ts'
import { operator } from './access.ts'
import type { Api } from './route-types.ts'
import { ErrorBody } from './schema.ts'

const schema = {
  summary: "All roles' metrics in Prometheus' text format; for the owner's team",
  response: { 200: { content: { 'text/plain': { schema: z.string() } } }, default: ErrorBody },
}

export function metricsRoutes(server: Api, cloud: Cloud, cluster: Cluster, registry: Registry) {
  server.get('/metrics', { schema }, async (request, reply) => {
    await operator(cloud, request)
    const others = await allMetrics(cluster).catch(() => []) // NATS is away: then that is what the metrics say
    const own = { role: 'control', name: 'control', text: await registry.metrics() }
    reply.type('text/plain; version=0.0.4; charset=utf-8')
    return merged([own, ...others])
  })
}
