import { ClusterAway, ClusterTimeout } from '../../cluster/errors.ts'
import { keys } from '../../cluster/subjects.ts'
import { errorFields } from '../../core/errors.ts'
import type { AppName, TeamId } from '../../core/ids.ts'
import { serving } from '../../model/app.ts'
import type { Release } from '../../model/release.ts'
import type { Cloud } from '../cloud.ts'
import { dropImage } from '../images.ts'
import { removeApp } from '../remove-app.ts'
import { settle } from './placements.ts'

/**
 * Undoes, again and again while NATS is away for a moment. What cannot be undone is left to recover() at the control's
 * next start; the person hears of the failure that came first.
 */
export async function undo(
  cloud: Cloud,
  { team, app }: { team: TeamId; app: AppName },
  act: () => Promise<void>,
): Promise<void> {
  for (let left = 5; left > 0; left--) {
    try {
      return await act()
    } catch (error) {
      cloud.log.warn({ team, app, left, error: String(error) }, 'a deploy could not be undone')
      if (!(error instanceof ClusterAway || error instanceof ClusterTimeout)) return // both have waited for some seconds
    }
  }
}

/** Frees the name that a deploy claimed when it could not even write its release. */
export async function forgetUnborn(cloud: Cloud, team: TeamId, app: AppName): Promise<void> {
  const entry = await cloud.state.apps.get(keys.app(team, app))
  if (!entry || entry.value.release === 0) await removeApp(cloud, team, app)
}

/**
 * Undoes a deploy that did not come to life. A first one takes the app and its name with it; else the release before it
 * goes on, and only the record of the failed one stays, with the reason.
 */
export async function withdraw(cloud: Cloud, release: Release, why: unknown): Promise<void> {
  const { team, app, number } = release
  const entry = await cloud.state.apps.get(keys.app(team, app))
  if (!entry || entry.value.release === 0) return removeApp(cloud, team, app)
  if (serving(entry.value).includes(number)) return // it takes requests after all
  const { code, message } = errorFields(why)
  const key = keys.release(team, app, number)
  await settle(cloud, entry.value)
  await cloud.state.secrets.delete(key)
  await cloud.state.releases.put(key, { ...release, failure: { code, message, at: Date.now() } })
  await dropImage(cloud, release.image.digest)
}
