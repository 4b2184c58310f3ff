import { join } from 'node:path'
import { z } from 'zod'
import { Bucket } from '../cluster/bucket.ts'
import { CachedBucket } from '../cluster/cached-bucket.ts'
import type { Cluster } from '../cluster/connect.ts'
import { listen } from '../cluster/soft.ts'
import { type BucketName, keys, type NodeSoftState, type Placement, subjects } from '../cluster/subjects.ts'
import { appName, type EdgeId, type NodeId, nodeId, teamId } from '../core/ids.ts'
import { holdsKey } from '../fabric/identity.ts'
import { App } from '../model/app.ts'
import { Node } from '../model/node.ts'
import { Release } from '../model/release.ts'
import type { Nodes } from './nodes.ts'
import { routeToNode } from './route-to-node.ts'
import type { Routes } from './routes.ts'

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
const PlacementSchema: z.ZodType<Placement> = z.object({ release: z.number().int() })

/** Keeps routes and nodes as the cluster wants them, from the last state on disk first; goes on while NATS is away. */
export async function followCluster(cluster: Cluster, options: Follow) {
  const { edge, here, dir, clusterKey, routeToNodes, routes, nodes } = options
  const open: { close(): Promise<void>; staleSince: number | undefined }[] = []
  const follow = async <T>(name: BucketName, schema: z.ZodType<T>, onChange: (key: string) => void) => {
    const bucket = await CachedBucket.open(new Bucket(cluster, name, schema), {
      file: join(dir, `${name}.json`),
      onChange: ({ key }) => onChange(key),
    })
    open.push(bucket)
    return bucket
  }

  // Buckets change in any order, and all four matter for one app: every change looks at the app as a whole.
  let following = false
  const appChanged = (key: string) => {
    if (!following) return
    const [team = '', name = ''] = key.split('.')
    const app = apps.value(`${team}.${name}`)
    if (!app) return routes.remove(teamId(team), appName(name))
    const release = releases.value(keys.release(app.team, app.name, app.release))
    routes.set(app, release, nodesWith(team, name))
  }
  const nodesWith = (team: string, name: string) =>
    [...placements.entries.keys()].flatMap((key) => {
      const [node = '', ...rest] = key.split('.')
      return rest.join('.') === `${team}.${name}` ? [nodeId(node)] : []
    })
  const nodeChanged = (key: string) => {
    const node = following ? known.value(key) : undefined
    if (node) meet(node).catch((error: unknown) => cluster.log?.error(error, 'this edge has no way to the node'))
    else if (following) nodes.remove(nodeId(key))
  }
  const meet = async (node: Node) => {
    const { unix, tcp } = node.holds
    const near = node.id === here || !tcp
    if (routeToNodes && node.address && !near) await routeToNode(node.subnet, node.address)
    nodes.set(node.id, near ? { unix } : { tcp: { ...tcp, pskIdentity: edge, psk: holdsKey(clusterKey, edge) } })
  }

  const apps = await follow('apps', App as unknown as z.ZodType<App>, appChanged)
  const releases = await follow('releases', Release as unknown as z.ZodType<Release>, appChanged)
  const placements = await follow('placements', PlacementSchema, (key) => appChanged(key.split('.').slice(1).join('.')))
  const known = await follow('nodes', Node as unknown as z.ZodType<Node>, nodeChanged)
  // An edge without a state on disk has nothing to serve from, and half of it would send requests to nobody.
  const unseen = [apps, releases, placements, known].filter(({ staleSince }) => staleSince === 0)
  await Promise.all(unseen.map((bucket) => bucket.ready().catch(() => {}))) // NATS is away: it comes when it comes
  following = true
  for (const key of known.entries.keys()) nodeChanged(key)
  for (const key of apps.entries.keys()) appChanged(key)
  const stop = listen(cluster, subjects.softNodes, SoftState, (state) => nodes.setSoftState(state))

  return {
    async [Symbol.asyncDispose]() {
      stop()
      await Promise.all(open.map((bucket) => bucket.close()))
    },
  }
}
