import { z } from 'zod'
import type { Cluster } from '../cluster/connect.ts'
import { Following } from '../cluster/follow.ts'
import { has, Placement } from '../cluster/placement.ts'
import { listen } from '../cluster/soft.ts'
import { keys, type NodeSoftState, subjects } from '../cluster/subjects.ts'
import { appName, type EdgeId, type NodeId, nodeId, teamId } from '../core/ids.ts'
import { holdsKey } from '../fabric/identity.ts'
import { App } from '../model/app.ts'
import { Node } from '../model/node.ts'
import { Release } from '../model/release.ts'
import type { Nodes } from './nodes.ts'
import { routeToNode } from './route-to-node.ts'
import type { Routes, Target } from './routes.ts'

interface Follow {
  edge: EdgeId
  /** The node on the same machine, if there is one. */
  here: NodeId | undefined
  /** Where the last known state is kept. */
  dir: string
  clusterKey: Buffer
  routeToNodes: boolean
  routes: Routes
  nodes: Nodes
}

const SoftState = z.custom<NodeSoftState>((value) => typeof value === 'object' && value !== null && 'node' in value)

/** Keeps routes and nodes as the cluster wants them, from the last state on disk first; goes on while NATS is away. */
export async function followCluster(cluster: Cluster, options: Follow) {
  const { edge, here, dir, clusterKey, routeToNodes, routes, nodes } = options
  const following = new Following(cluster, dir)

  // Buckets change in any order, and all four matter for one app: every change looks at the app as a whole. What takes
  // requests goes on until all that its successor needs is here.
  let followed = false
  const appChanged = (key: string) => {
    if (!followed) return
    const [team = '', name = ''] = key.split('.')
    const app = apps.value(`${team}.${name}`)
    if (!app) return routes.remove(teamId(team), appName(name))
    const live = target(app, app.release)
    const canary = app.canary && target(app, app.canary.release)
    routes.set(app, live, canary)
  }
  /** Undefined: its record, or the word that a node has it, is still on its way. */
  const target = ({ team, name }: App, number: number): Target | undefined => {
    const release = releases.value(keys.release(team, name, number))
    const nodes = [...placements.entries.values()].flatMap(({ key, value }) => {
      const [node = '', ...rest] = key.split('.')
      return rest.join('.') === `${team}.${name}` && has(value, number) ? [nodeId(node)] : []
    })
    return release && nodes.length > 0 ? { release, nodes } : undefined
  }
  const nodeChanged = (key: string) => {
    const node = followed ? known.value(key) : undefined
    if (node) meet(node).catch((error: unknown) => cluster.log?.error(error, 'this edge has no way to the node'))
    else if (followed) nodes.remove(nodeId(key))
  }
  const meet = async (node: Node) => {
    const { unix, tcp } = node.holds
    const near = node.id === here || !tcp
    if (routeToNodes && node.address && !near) await routeToNode(node.subnet, node.address)
    nodes.set(node.id, near ? { unix } : { tcp: { ...tcp, pskIdentity: edge, psk: holdsKey(clusterKey, edge) } })
  }

  const apps = await following.bucket('apps', App, appChanged)
  const releases = await following.bucket('releases', Release, appChanged)
  const placements = await following.bucket('placements', Placement, (key) =>
    appChanged(key.split('.').slice(1).join('.')),
  )
  const known = await following.bucket('nodes', Node, nodeChanged)
  // An edge without a state on disk has nothing to serve from, and half of it would send requests to nobody.
  await Promise.all(following.unseen.map((bucket) => bucket.ready().catch(() => {}))) // NATS is away: it comes when it comes
  followed = true
  for (const key of known.entries.keys()) nodeChanged(key)
  for (const key of apps.entries.keys()) appChanged(key)
  const stop = listen(cluster, subjects.softNodes, SoftState, (state) => nodes.setSoftState(state))

  return {
    staleSince: () => following.staleSince,
    async [Symbol.asyncDispose]() {
      stop()
      await following[Symbol.asyncDispose]()
    },
  }
}
