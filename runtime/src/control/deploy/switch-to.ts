import { Conflict } from '../../cluster/errors.ts'
import { keys } from '../../cluster/subjects.ts'
import type { App } from '../../model/app.ts'
import type { Release } from '../../model/release.ts'
import type { Cloud } from '../cloud.ts'
import { addressOf } from '../config.ts'
import { DeployOverruled } from '../errors.ts'
import type { Ready } from './await-parked.ts'
import { settle } from './placements.ts'
import type { Live } from './steps.ts'

interface Change {
  /** What takes requests afterwards, and an instance that is ready for them. */
  release: Release
  ready: Ready
  /** performance.now() */
  begun: number
  /** Of the app's record: nothing is changed if somebody else changed it since. */
  appRevision: number
  canary?: number | undefined
}

/** One compare-and-set: from it on, edges send requests elsewhere. Then the nodes let go of what is wanted no more. */
export async function switchTo(cloud: Cloud, change: Change, to: (app: App) => App): Promise<{ live: Live; app: App }> {
  const { release, ready, canary } = change
  if (release.tcp) await cloud.ports.claim(release.tcp.hostPort, release)
  const app = await changeApp(cloud, release, change.appRevision, to)
  // The cloud serves as it should; what is left over is found again at the control's next start.
  await settle(cloud, app).catch((error: unknown) =>
    cloud.log.warn({ team: app.team, app: app.name, error: String(error) }, 'nodes keep what they need no more'),
  )
  const { memoryMib, cpus, image, number } = release
  const live: Live = {
    type: 'live',
    app: app.name,
    release: number,
    url: addressOf(app.hostname, release, cloud.config),
    image,
    instance: { id: ready.instance, node: ready.node.id, memoryMib, cpus, isolation: ready.node.isolation },
    tookMs: performance.now() - change.begun,
    ...(canary !== undefined && { canary }),
  }
  const message = canary === undefined ? live.url : `${live.url}, ${canary} % of the requests`
  await cloud.events
    .tell(release, { kind: 'live', message, tookMs: live.tookMs })
    .catch((error: unknown) => cloud.log.warn({ error: String(error) }, 'an event was not stored'))
  return { live, app }
}

/** Writes the app's record, unless somebody else did since. */
export async function changeApp(
  cloud: Cloud,
  { team, app: name }: Pick<Release, 'team' | 'app'>,
  revision: number,
  to: (app: App) => App,
): Promise<App> {
  const key = keys.app(team, name)
  const entry = await cloud.state.apps.get(key)
  if (entry?.revision !== revision) throw new DeployOverruled(name)
  const app = to(entry.value)
  try {
    await cloud.state.apps.update(key, app, revision)
  } catch (error) {
    throw error instanceof Conflict ? new DeployOverruled(name) : error
  }
  return app
}
