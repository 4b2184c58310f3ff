import { availableParallelism, freemem, loadavg } from 'node:os'
import type { Cluster } from '../cluster/connect.ts'
import { announce } from '../cluster/soft.ts'
import { type NodeSoftState, subjects } from '../cluster/subjects.ts'
import type { NodeId } from '../core/ids.ts'
import { MIB } from '../core/units.ts'
import type { Fleet } from './fleet.ts'

const everyMs = 500
/** Changes come in bursts: one wake is two. */
const gatherMs = 20

/** Tells edges and control what this node has at hand: on change, and twice a second. Returns how to stop. */
export function announceSoftState(cluster: Cluster, fleet: Fleet, node: NodeId, epoch: string): () => void {
  let soon: NodeJS.Timeout | undefined
  const tell = () => {
    clearTimeout(soon)
    soon = undefined
    announce(cluster, subjects.softNode(node), softState(fleet, node, epoch))
  }
  fleet.on('changed', () => {
    soon ??= setTimeout(tell, gatherMs)
  })
  const timer = setInterval(tell, everyMs)
  return () => {
    clearInterval(timer)
    clearTimeout(soon)
  }
}

function softState(fleet: Fleet, node: NodeId, epoch: string): NodeSoftState {
  const now = Date.now()
  return {
    node,
    epoch,
    at: now,
    load: Math.min(1, (loadavg()[0] ?? 0) / availableParallelism()),
    freeMib: Math.floor(freemem() / MIB),
    apps: [...fleet.apps]
      .filter(({ instances, target }) => instances.length > 0 || target)
      .map(({ team, name, target, instances }) => ({
        team,
        app: name,
        release: target?.number ?? instances[0]?.record.release ?? 0,
        instances: instances.map(({ id, state, record, requests, sinceMs }) => ({
          id,
          state,
          incarnation: record.incarnation,
          memoryMib: record.memoryMib,
          requests,
          sinceMs: now - sinceMs,
        })),
      })),
  }
}
