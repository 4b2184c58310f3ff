import { collectDefaultMetrics, Registry } from 'prom-client'
import { appName, edgeId, nodeId, teamId } from '../../runtime/src/core/ids.ts'
import { createLog } from '../../runtime/src/core/log.ts'
import { createEdge } from '../../runtime/src/edge/edge.ts'
import { Routes } from '../../runtime/src/edge/routes.ts'
import { Release } from '../../runtime/src/model/release.ts'

/** The edge as it runs in a cloud, with one app and one node. */
const [port, agentPath] = [Number(process.argv[2]), process.argv[3] as string]
const release = Release.parse({
  team: 'bench',
  app: 'backend',
  number: 1,
  createdAt: 0,
  createdBy: 'bench',
  image: { reference: 'backend', digest: `sha256:${'0'.repeat(64)}`, rootBytes: 0 },
  config: {},
  sealedEnv: '',
  memoryMib: 64,
  cpus: 1,
  concurrency: { soft: 100, hard: 200 },
  idleMs: 1_000,
  maxInstances: 1,
  spares: 0,
  wakeDeadlineMs: 5_000,
  startDeadlineMs: 5_000,
})
const routes = new Routes()
const app = {
  team: teamId('bench'),
  name: appName('backend'),
  release: 1,
  newest: 1,
  hostname: '127.0.0.1',
  createdAt: 0,
  stopped: false,
}
routes.set(app, { release, nodes: [nodeId('n-bench')] }, undefined)
const metricsRegistry = new Registry()
collectDefaultMetrics({ register: metricsRegistry })
const edge = await createEdge({
  edge: edgeId('e-bench'),
  listen: { host: '127.0.0.1', port },
  routes,
  log: createLog('edge'),
  metricsRegistry,
})
edge.nodes.set(nodeId('n-bench'), { unix: agentPath })
process.stdout.write(`ready ${edge.port}\n`)
