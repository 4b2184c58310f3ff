import { list } from '../cluster/list.ts'
import { keys } from '../cluster/subjects.ts'
import { type AppName, nodeId, type TeamId } from '../core/ids.ts'
import type { Cloud } from './cloud.ts'
import { dropImage } from './images.ts'

/**
 * Removes all of an app. Its record goes first: edges stop sending at once, and after a crash in the middle the rest is
 * found by recover(). The name is free again last, when nothing of the old app runs any more.
 */
export async function removeApp(cloud: Cloud, team: TeamId, app: AppName): Promise<void> {
  const { state } = cloud
  const key = keys.app(team, app)
  const known = await state.apps.get(key)
  await state.apps.delete(key)
  await endPlacements(cloud, team, app)
  const releases = await list(state.releases, `${key}.*`)
  for (const entry of releases) {
    await state.secrets.delete(entry.key)
    await state.releases.delete(entry.key)
  }
  for (const digest of new Set(releases.map(({ value }) => value.image.digest))) await dropImage(cloud, digest)
  await cloud.ports.free({ team, app })
  for (const hostname of await list(state.hostnames)) {
    if (hostname.value === key || hostname.key === known?.value.hostname) await state.hostnames.delete(hostname.key)
  }
}

/** No node keeps the app afterwards. One that does not answer ends it by itself as soon as it sees the placements again. */
export async function endPlacements(cloud: Cloud, team: TeamId, app: AppName): Promise<void> {
  for (const { key } of await list(cloud.state.placements, `*.${keys.app(team, app)}`)) {
    await cloud.state.placements.delete(key)
    const node = nodeId(key.split('.')[0]!)
    await cloud.hosts.end(node, team, app).catch((error) => {
      cloud.log.warn({ node, app, error: String(error) }, 'the node did not confirm the end of an app')
    })
  }
}
