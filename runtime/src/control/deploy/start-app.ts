import { keys } from '../../cluster/subjects.ts'
import type { AppName, TeamId } from '../../core/ids.ts'
import { knownEntry } from '../apps.ts'
import { changing } from '../changing.ts'
import type { Cloud } from '../cloud.ts'
import { UnknownRelease } from '../errors.ts'
import { readyAgain } from './make-ready.ts'
import { settle } from './placements.ts'
import type { Live, Tell } from './steps.ts'
import { switchTo } from './switch-to.ts'
import { undo } from './undo.ts'

/** Lets a stopped app take requests again, with the release it had; its instance is a new one. */
export async function startApp(
  cloud: Cloud,
  named: { team: TeamId; app: AppName },
  tell: Tell,
  signal: AbortSignal,
): Promise<Live> {
  const { team, app: name } = named
  const begun = performance.now()
  using _change = changing(cloud, team, name)
  const { value: app, revision: appRevision } = await knownEntry(cloud, team, name)
  const release = (await cloud.state.releases.get(keys.release(team, name, app.release)))?.value
  if (!release) throw new UnknownRelease(name, app.release)
  try {
    const ready = await readyAgain(cloud, release, tell, signal)
    const { live } = await switchTo(cloud, { release, ready, begun, appRevision }, (now) => ({
      ...now,
      stopped: false,
    }))
    return live
  } catch (error) {
    await undo(cloud, named, async () => settle(cloud, (await knownEntry(cloud, team, name)).value))
    throw error
  }
}
