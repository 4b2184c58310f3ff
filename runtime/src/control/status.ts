import { ask } from '../cluster/ask.ts'
import type { Cluster } from '../cluster/connect.ts'
import { allMetrics } from '../cluster/metrics.ts'
import { subjects } from '../cluster/subjects.ts'
import { readRunFiles } from '../core/run-files.ts'
import { Chains } from '../model/cost.ts'
import type { NodeView, Status } from './api/schema.ts'
import type { Cloud } from './cloud.ts'
import { version } from './version.ts'
import { chainWarnings, staleWarnings } from './warnings.ts'

type Role = Status['roles'][number]

/** The cloud as the control sees it: what it asked just now, not what it believes. */
export async function readStatus(cloud: Cloud, cluster: Cluster): Promise<Status> {
  const [nodes, billing, told] = await Promise.all([
    nodeViews(cloud),
    askBilling(cluster),
    allMetrics(cluster).catch(() => []), // NATS is away: its own line says so
  ])
  const isolations = new Set(nodes.map(({ isolation }) => isolation))
  const [only] = isolations
  return {
    version,
    startedAt: cloud.startedAt,
    isolation: isolations.size > 1 ? 'mixed' : (only ?? 'none'),
    roles: [
      { role: 'control', name: 'control', state: 'ok', fact: `version ${version}` },
      natsRole(cluster),
      ...nodes.map(hostRole),
      billingRole(billing),
      ...edgeRoles(cloud),
    ],
    nodes,
    warnings: [...staleWarnings(told), ...(billing instanceof Error ? [] : chainWarnings(billing))],
  }
}

/** A node that was not heard of yet may have only just started, or we have: it gets the time of two announcements. */
const firstWordMs = 1_000

async function nodeViews(cloud: Cloud): Promise<NodeView[]> {
  const nodes = await cloud.hosts.all()
  if (nodes.some(({ id }) => !cloud.hosts.soft.of(id))) await cloud.hosts.soft.next(firstWordMs)
  return nodes.map(({ id, region, isolation, accelerator, cpus, memoryMib }) => {
    const soft = cloud.hosts.soft.fresh(id)
    const last = cloud.hosts.soft.of(id)?.heardAt ?? cloud.startedAt
    return {
      ...{ id, region, isolation, accelerator, cpus, memoryMib },
      ...(soft ? { freeMib: soft.freeMib, memory: soft.memory, load: soft.load } : { silentMs: Date.now() - last }),
      instances: byState(soft?.apps.all().flatMap(({ instances }) => instances) ?? []),
    }
  })
}

function byState(instances: { state: string; memoryMib: number }[]): NodeView['instances'] {
  const found: NodeView['instances'] = {}
  for (const { state, memoryMib } of instances) {
    const before = found[state] ?? { count: 0, memoryMib: 0 }
    found[state] = { count: before.count + 1, memoryMib: before.memoryMib + memoryMib }
  }
  return found
}

function natsRole(cluster: Cluster): Role {
  const { state, since } = cluster.link
  const server = cluster.now?.info?.version
  const fact = server ? `nats-server ${server}` : `away for ${Math.round((Date.now() - since) / 1000)} s`
  return { role: 'nats', name: 'nats', state: state === 'connected' ? 'ok' : 'away', fact }
}

function hostRole({ id, accelerator, freeMib, silentMs }: NodeView): Role {
  const fact =
    silentMs === undefined ? `${accelerator}, ${freeMib} MiB free` : `silent for ${Math.round(silentMs / 1000)} s`
  return { role: 'host', name: id, state: silentMs === undefined ? 'ok' : 'silent', fact }
}

/** Edges say nothing of themselves in the cluster yet: those of this machine are known by their supervisor's files. */
function edgeRoles({ config }: Cloud): Role[] {
  const edges = readRunFiles(config.dataDir).filter(({ role }) => role.startsWith('edge'))
  return edges.map(({ role, pid, state }) => {
    const ok = state === 'ready'
    return { role: 'edge', name: role, state: ok ? 'ok' : 'away', fact: ok ? `process ${pid}` : state }
  })
}

const askBilling = (cluster: Cluster): Promise<Chains | Error> =>
  ask(cluster, subjects.askBilling('chains'), {}, { schema: Chains, deadlineMs: 2_000 }).catch((error: Error) => error)

function billingRole(answer: Chains | Error): Role {
  const role = { role: 'billing', name: 'billing' }
  if (answer instanceof Error) return { ...role, state: 'silent', fact: answer.message }
  const records = answer.chains.reduce((sum, { sequence, missing }) => sum + sequence - missing, 0)
  return { ...role, state: 'ok', fact: `${records} usage records counted` }
}
