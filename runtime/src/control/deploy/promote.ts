import type { AppName, TeamId } from '../../core/ids.ts'
import { withLive } from '../../model/app.ts'
import type { AppView } from '../api/schema.ts'
import { knownEntry, oneApp } from '../apps.ts'
import { changing } from '../changing.ts'
import type { Cloud } from '../cloud.ts'
import { NoCanary } from '../errors.ts'
import { settle } from './placements.ts'
import { changeApp } from './switch-to.ts'

/** The canary gets all requests; the release before is kept for a while. */
export async function promote(cloud: Cloud, team: TeamId, name: AppName): Promise<AppView> {
  using _change = changing(cloud, team, name)
  const { value, revision } = await knownEntry(cloud, team, name)
  const { canary } = value
  if (!canary) throw new NoCanary(name)
  const app = await changeApp(cloud, { team, app: name }, revision, (app) => withLive(app, canary.release, Date.now()))
  await settle(cloud, app)
  return oneApp(cloud, team, name)
}
