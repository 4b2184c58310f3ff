import { list } from '../../cluster/list.ts'
import { keys } from '../../cluster/subjects.ts'
import type { AppName, TeamId } from '../../core/ids.ts'
import { type App, withLive, withoutCanary } from '../../model/app.ts'
import type { Release } from '../../model/release.ts'
import { knownEntry } from '../apps.ts'
import { changing } from '../changing.ts'
import type { Cloud } from '../cloud.ts'
import { CanaryOn, NoEarlierRelease, ReleaseIsLive, ReleaseNeverServed, UnknownRelease } from '../errors.ts'
import { readyAgain } from './make-ready.ts'
import { settle } from './placements.ts'
import type { Live, Tell } from './steps.ts'
import { switchTo } from './switch-to.ts'
import { undo } from './undo.ts'

interface Ask {
  team: TeamId
  app: AppName
  /** Undefined: end the canary; else the newest release before the live one that served. */
  number: number | undefined
}

/**
 * Lets an earlier release serve again, with its own image, env and secrets. If its instance is kept, it takes some ms;
 * else it is started first, and the present one serves meanwhile.
 */
export async function rollBack(cloud: Cloud, ask: Ask, tell: Tell, signal: AbortSignal): Promise<Live> {
  const begun = performance.now()
  using _change = changing(cloud, ask.team, ask.app)
  const { value: app, revision: appRevision } = await knownEntry(cloud, ask.team, ask.app)
  const endsCanary = app.canary !== undefined && ask.number === undefined
  if (app.canary && !endsCanary) throw new CanaryOn(ask.app, app.canary.release)
  const release = endsCanary ? await served(cloud, app, app.release) : await goal(cloud, app, ask.number)
  try {
    const ready = await readyAgain(cloud, release, tell, signal)
    const change = { release, ready, begun, appRevision }
    const { live } = await switchTo(cloud, change, (app) =>
      endsCanary ? withoutCanary(app, Date.now()) : withLive(app, release.number, Date.now()),
    )
    return live
  } catch (error) {
    await undo(cloud, ask, async () => settle(cloud, (await knownEntry(cloud, ask.team, ask.app)).value))
    throw error
  }
}

async function goal(cloud: Cloud, app: App, number: number | undefined): Promise<Release> {
  const { team, name, release: live } = app
  if (number === live && !app.stopped) throw new ReleaseIsLive(name, live)
  if (number !== undefined) return served(cloud, app, number)
  const all = await list(cloud.state.releases, `${keys.app(team, name)}.*`)
  const before = all.map(({ value }) => value).filter((one) => one.number < live && !one.failure)
  const newest = before.toSorted((a, b) => b.number - a.number)[0]
  if (!newest) throw new NoEarlierRelease(name, live)
  return newest
}

/** The release, if it ever took requests. */
async function served(cloud: Cloud, { team, name, newest }: App, number: number): Promise<Release> {
  const release = (await cloud.state.releases.get(keys.release(team, name, number)))?.value
  if (release?.failure) throw new ReleaseNeverServed(name, number, release.failure.message)
  if (!release || number > newest) throw new UnknownRelease(name, number)
  return release
}
