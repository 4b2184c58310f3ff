import { join } from 'node:path'
import { z } from 'zod'
import { Bucket } from '../cluster/bucket.ts'
import { CachedBucket } from '../cluster/cached-bucket.ts'
import type { Cluster } from '../cluster/connect.ts'
import { keys, type Placement } from '../cluster/subjects.ts'
import { appName, type NodeId, teamId } from '../core/ids.ts'
import { App } from '../model/app.ts'
import { Release } from '../model/release.ts'
import type { Fleet } from './fleet.ts'

/** For those who can go on without: the longest that a timer takes, ms. */
const asLongAsItTakes = 2 ** 31 - 1

const PlacementSchema: z.ZodType<Placement> = z.object({ release: z.number().int() })

/**
 * Follows what this node should keep, from the last state on disk first, and tells the fleet. The three buckets change
 * in any order: each change looks at the app as a whole.
 */
export async function followDesired(
  cluster: Cluster,
  fleet: Fleet,
  node: NodeId,
  dir: string,
): Promise<AsyncDisposable> {
  const open: CachedBucket<unknown>[] = []
  const follow = async <T>(
    name: 'apps' | 'releases' | 'placements',
    schema: z.ZodType<T>,
    appOf: (key: string) => string[],
  ) => {
    const bucket = await CachedBucket.open(new Bucket(cluster, name, schema), {
      file: join(dir, `${name}.json`),
      onChange: ({ key }) => changed(appOf(key)),
    })
    open.push(bucket as CachedBucket<unknown>)
    return bucket
  }

  let following = false
  const changed = ([team, name]: string[]) => {
    if (!following || !team || !name) return
    const app = { team: teamId(team), name: appName(name) }
    const desired = apps.value(keys.app(app.team, app.name))
    if (desired && desired.release > 0) fleet.serve(app.team, app.name, desired.release)
    const placement = placements.value(keys.placement(node, app.team, app.name))
    if (!placement && placements.staleSince === 0) return // nobody has said yet what is placed here
    if (!placement || desired?.stopped) return void fleet.unplace(app.team, app.name)
    const release = releases.value(keys.release(app.team, app.name, placement.release))
    if (release) fleet.place(release)
  }

  const apps = await follow('apps', App as unknown as z.ZodType<App>, (key) => key.split('.'))
  const releases = await follow('releases', Release as unknown as z.ZodType<Release>, (key) =>
    key.split('.').slice(0, 2),
  )
  const placements = await follow('placements', PlacementSchema, (key) => {
    const [on, team, app] = key.split('.')
    return on === node ? [team ?? '', app ?? ''] : []
  })
  following = true
  for (const key of placements.entries.keys()) {
    const [on, team = '', app = ''] = key.split('.')
    if (on === node) changed([team, app])
  }
  // What an earlier agent left and nobody wants any more is named by no change: looked at once all is known.
  const settle = () => {
    for (const { team, name } of [...fleet.apps]) changed([team, name])
  }
  placements.ready(asLongAsItTakes).then(settle, () => {})

  return {
    async [Symbol.asyncDispose]() {
      await Promise.all(open.map((bucket) => bucket.close()))
    },
  }
}
