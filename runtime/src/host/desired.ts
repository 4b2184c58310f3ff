import type { Cluster } from '../cluster/connect.ts'
import { Following } from '../cluster/follow.ts'
import { Placement } from '../cluster/placement.ts'
import { keys } from '../cluster/subjects.ts'
import { appName, type NodeId, teamId } from '../core/ids.ts'
import { App, serving } from '../model/app.ts'
import { Release } from '../model/release.ts'
import type { Fleet } from './fleet.ts'

/** For those who can go on without: the longest that a timer takes, ms. */
const asLongAsItTakes = 2 ** 31 - 1

/**
 * Follows what this node should keep, from the last state on disk first, and tells the fleet. The three buckets change
 * in any order: each change looks at the app as a whole.
 */
export async function followDesired(cluster: Cluster, fleet: Fleet, node: NodeId, dir: string): Promise<Following> {
  const following = new Following(cluster, dir)
  let followed = false
  const changed = ([team, name]: string[]) => {
    if (!followed || !team || !name) return
    const app = { team: teamId(team), name: appName(name) }
    const desired = apps.value(keys.app(app.team, app.name))
    if (desired) fleet.serve(app.team, app.name, serving(desired))
    const placement = placements.value(keys.placement(node, app.team, app.name))
    if (!placement && placements.staleSince === 0) return // nobody has said yet what is placed here
    if (!placement) return void fleet.unplace(app.team, app.name)
    const { ready, kept } = placement
    const known = (number: number) => releases.value(keys.release(app.team, app.name, number)) ?? []
    const [first] = kept ? [known(kept.release)].flat() : []
    const all = ready.flatMap(known)
    // A record that has not come yet brings us here again; until then nothing is to be ended for want of it.
    if (all.length < ready.length || (kept && !first)) return
    fleet.place(app.team, app.name, { ready: all, kept: first && kept && { release: first, until: kept.until } })
  }

  const apps = await following.bucket('apps', App, (key) => changed(key.split('.')))
  const releases = await following.bucket('releases', Release, (key) => changed(key.split('.').slice(0, 2)))
  const placements = await following.bucket('placements', Placement, (key) => {
    const [on, team, app] = key.split('.')
    if (on === node) changed([team ?? '', app ?? ''])
  })
  followed = true
  for (const key of placements.entries.keys()) {
    const [on, team = '', app = ''] = key.split('.')
    if (on === node) changed([team, app])
  }
  // What an earlier agent left and nobody wants any more is named by no change: looked at once all is known.
  const settle = () => {
    for (const { team, name } of [...fleet.apps]) changed([team, name])
  }
  placements.ready(asLongAsItTakes).then(settle, () => {})
  return following
}
