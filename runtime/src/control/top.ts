import { z } from 'zod'
import { ask } from '../cluster/ask.ts'
import { askAll } from '../cluster/ask-all.ts'
import type { Cluster } from '../cluster/connect.ts'
import { type AppTraffic, subjects } from '../cluster/subjects.ts'
import type { TeamId } from '../core/ids.ts'
import { boundsMs } from '../core/latency.ts'
import { CostRow } from '../model/cost.ts'
import type { AppView } from './api/schema.ts'
import { listApps } from './apps.ts'
import type { Cloud } from './cloud.ts'

const TrafficOfEdge: z.ZodType<AppTraffic[]> = z.array(
  z.object({
    team: z.string(),
    app: z.string(),
    requests: z.number(),
    wakes: z.number(),
    firstByte: z.array(z.number()),
  }),
)

/** Counted since the edges started: who asks twice has what happened in between. */
const TopApp = z.object({
  name: z.string(),
  state: z.enum(['deploying', 'live', 'stopped']),
  release: z.number(),
  /** How many of its instances are in which state. */
  instances: z.record(z.string(), z.number()),
  /** Of the guests that are in memory: running, parked, starting. */
  memoryMib: z.number(),
  requests: z.number(),
  wakes: z.number(),
  /** How many first bytes came within each of `boundsMs`, and later than all of them. */
  firstByte: z.array(z.number()),
  /** What it has cost since the full hour; an integer as text. */
  microcreditsThisHour: z.string(),
})
export type TopApp = z.infer<typeof TopApp>

export const Top = z.object({ at: z.number(), boundsMs: z.array(z.number()), apps: z.array(TopApp) })
export type Top = z.infer<typeof Top>

/** The team's apps with what goes on in them this moment. What a role that does not answer would have told is zero. */
export async function readTop(cloud: Cloud, cluster: Cluster, team: TeamId): Promise<Top> {
  const at = Date.now()
  const question = { by: 'app', team, fromMs: at, toMs: at }
  const costs = { schema: z.array(CostRow), deadlineMs: 2_000 }
  const [apps, edges, rows] = await Promise.all([
    listApps(cloud, team),
    askAll(cluster, subjects.askAll('traffic'), {}, TrafficOfEdge).catch(() => []),
    ask(cluster, subjects.askBilling('cost'), question, costs).catch(() => []),
  ])
  const traffic = edges.flat().filter((one) => one.team === team)
  const instances = await instancesOf(cloud, team)
  return {
    at,
    boundsMs,
    apps: apps.map((app) => ({
      ...view(app),
      ...tiers(instances.filter((instance) => instance.app === app.name)),
      ...summed(traffic.filter((one) => one.app === app.name)),
      microcreditsThisHour: rows.find((row) => row.app === app.name && row.kind === 'run')?.microcredits ?? '0',
    })),
  }
}

const view = ({ name, state, release }: AppView) => ({ name, state, release })

/** As the nodes announced them last: asking each node twice a second would be work for all of them. */
async function instancesOf(cloud: Cloud, team: TeamId) {
  const nodes = await cloud.hosts.all()
  return nodes
    .flatMap(({ id }) => cloud.hosts.soft.fresh(id)?.apps.all() ?? [])
    .filter((one) => one.team === team)
    .flatMap(({ app, instances }) => instances.map((instance) => ({ ...instance, app })))
}

function tiers(found: { state: string; memoryMib: number }[]): Pick<TopApp, 'instances' | 'memoryMib'> {
  const instances: Record<string, number> = {}
  let memoryMib = 0
  for (const one of found) {
    instances[one.state] = (instances[one.state] ?? 0) + 1
    if (one.state !== 'suspended') memoryMib += one.memoryMib
  }
  return { instances, memoryMib }
}

function summed(edges: AppTraffic[]): Pick<TopApp, 'requests' | 'wakes' | 'firstByte'> {
  const firstByte = Array.from({ length: boundsMs.length + 1 }, (_, at) =>
    edges.reduce((sum, edge) => sum + (edge.firstByte[at] ?? 0), 0),
  )
  const sum = (figure: 'requests' | 'wakes') => edges.reduce((total, edge) => total + edge[figure], 0)
  return { requests: sum('requests'), wakes: sum('wakes'), firstByte }
}
