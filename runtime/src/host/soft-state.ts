import { availableParallelism, loadavg } from 'node:os'
import type { Cluster } from '../cluster/connect.ts'
import { toldAgainMs } from '../cluster/heard-apps.ts'
import { announce } from '../cluster/soft.ts'
import { type NodeSoftState, subjects } from '../cluster/subjects.ts'
import type { NodeId } from '../core/ids.ts'
import type { AppOnNode } from './app-on-node.ts'
import type { Fleet } from './fleet.ts'
import { InTurn } from './in-turn.ts'

const everyMs = 500
/** Changes come in bursts: one wake is two. */
const gatherMs = 20

/** Tells edges and control what this node has at hand: changes at once, the rest in turn. Returns how to stop. */
export function announceSoftState(cluster: Cluster, fleet: Fleet, node: NodeId, epoch: string): () => void {
  const changed = new Set<AppOnNode>()
  const rest = new InTurn(() => fleet.apps, toldAgainMs / everyMs)
  let soon: NodeJS.Timeout | undefined
  const tell = (apps: Iterable<AppOnNode>) => {
    clearTimeout(soon)
    soon = undefined
    announce(cluster, subjects.softNode(node), { ...ofNode(node, epoch, fleet), apps: [...apps].map(ofApp) })
    changed.clear()
  }
  fleet.on('changed', (app) => {
    changed.add(app)
    soon ??= setTimeout(() => tell(changed), gatherMs)
  })
  const timer = setInterval(() => tell(new Set([...changed, ...rest.next()])), everyMs)
  return () => {
    clearInterval(timer)
    clearTimeout(soon)
  }
}

const ofNode = (node: NodeId, epoch: string, { tiers }: Fleet): Omit<NodeSoftState, 'apps'> => ({
  node,
  epoch,
  at: Date.now(),
  load: Math.min(1, (loadavg()[0] ?? 0) / availableParallelism()),
  freeMib: tiers.freeMib,
  memory: tiers.told,
})

function ofApp({ team, name, instances }: AppOnNode): NodeSoftState['apps'][number] {
  const now = Date.now()
  return {
    team,
    app: name,
    instances: instances.map(({ id, state, record, requests, sinceMs }) => ({
      id,
      release: record.release,
      state,
      incarnation: record.incarnation,
      memoryMib: record.memoryMib,
      requests,
      sinceMs: now - sinceMs,
    })),
  }
}
