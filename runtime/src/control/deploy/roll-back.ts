import { list } from '../../cluster/list.ts'
import { keys } from '../../cluster/subjects.ts'
import { errorFields } from '../../core/errors.ts'
import type { Release } from '../../model/release.ts'
import type { Cloud } from '../cloud.ts'
import { dropImage } from '../images.ts'
import { endPlacements, removeApp } from '../remove-app.ts'
import type { Written } from './release.ts'

/**
 * Undoes a deploy that did not come to life. A first one takes the app and its name with it; else the release before it
 * goes on, and only the record of the failed one stays, with the reason.
 */
export async function rollBack(
  cloud: Cloud,
  { release, wasStopped }: Pick<Written, 'release' | 'wasStopped'>,
  why: unknown,
): Promise<void> {
  const { team, app, number } = release
  const entry = await cloud.state.apps.get(keys.app(team, app))
  if (!entry || entry.value.release === 0) return removeApp(cloud, team, app)
  if (entry.value.release === number) return // it is live after all
  const { code, message } = errorFields(why)
  const key = keys.release(team, app, number)
  if (wasStopped) {
    await cloud.state.apps.change(keys.app(team, app), (now) => now && { ...now, stopped: true })
    await endPlacements(cloud, team, app)
  } else {
    await placeAgain(cloud, release, entry.value.release)
  }
  await cloud.state.secrets.delete(key)
  await cloud.state.releases.put(key, { ...release, failure: { code, message, at: Date.now() } })
  await dropImage(cloud, release.image.digest)
}

async function placeAgain(cloud: Cloud, { team, app }: Release, liveRelease: number): Promise<void> {
  for (const { key } of await list(cloud.state.placements, `*.${keys.app(team, app)}`)) {
    await cloud.state.placements.put(key, { release: liveRelease })
  }
}
