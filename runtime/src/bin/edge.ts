import { readFile } from 'node:fs/promises'
import http from 'node:http'
import type { Registry } from 'prom-client'
import { z } from 'zod'
import { answer } from '../cluster/ask.ts'
import { Cluster } from '../cluster/connect.ts'
import { roleRegistry, tellMetrics } from '../cluster/metrics.ts'
import { subjects } from '../cluster/subjects.ts'
import { readRoleConfig } from '../core/config.ts'
import { FairPriority } from '../core/fair-priority.ts'
import { createLog } from '../core/log.ts'
import { raiseOpenFiles } from '../core/open-files.ts'
import { EdgeConfig } from '../edge/config.ts'
import { createEdge } from '../edge/edge.ts'
import { followCluster } from '../edge/follow.ts'
import { Routes } from '../edge/routes.ts'
import { runRole } from './role-process.ts'

const PortQuestion = z.object({ port: z.number().int() })

await runRole('edge', async () => {
  const config = readRoleConfig(EdgeConfig)
  const log = createLog('edge', { edge: config.edge })
  const clusterKey = Buffer.from((await readFile(config.clusterKey, 'utf8')).trim(), 'hex')
  const openFiles = raiseOpenFiles()
  log.info({ openFiles }, 'connections have two files each')
  const cluster = Cluster.open(config.nats, { name: config.edge, log })
  const registry = roleRegistry(cluster)
  const routes = new Routes()
  const { edge: id, listen } = config
  const edge = await createEdge({ edge: id, listen, routes, log, metricsRegistry: registry })
  const following = await followCluster(cluster, {
    edge: id,
    here: config.node,
    dir: config.dataDir,
    clusterKey,
    routeToNodes: config.routeToNodes,
    routes,
    nodes: edge.nodes,
  })
  edge.metrics.staleSince = following.staleSince
  const stops = [
    tellMetrics(cluster, { role: 'edge', name: config.edge }, registry),
    answer(cluster, subjects.askAll('traffic'), z.unknown(), () => edge.metrics.traffic.all()),
    answer(cluster, subjects.askEdge('port'), PortQuestion, async ({ port }) => ({
      takenBy: await edge.portTakenBy(port),
    })),
  ]
  const metrics = config.metrics && serveMetrics(registry, config.metrics)
  const priority = new FairPriority()
  if (!priority.raised) log.warn('real-time priority is refused: wakes will be late when the machine is busy')
  return async () => {
    priority[Symbol.dispose]()
    for (const stop of stops) stop()
    metrics?.close()
    await edge.close()
    await following[Symbol.asyncDispose]()
    await cluster.close()
  }
})

function serveMetrics(registry: Registry, { host, port }: { host: string; port: number }): http.Server {
  const server = http.createServer((_request, response) => {
    registry.metrics().then(
      (text) => response.setHeader('content-type', registry.contentType).end(text),
      () => response.writeHead(500).end(),
    )
  })
  return server.listen(port, host)
}
