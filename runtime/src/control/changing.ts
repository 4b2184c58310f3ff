import { keys } from '../cluster/subjects.ts'
import type { AppName, TeamId } from '../core/ids.ts'
import type { Cloud } from './cloud.ts'
import { DeployInProgress } from './errors.ts'

/** Marks an app as under change; throws if it is already. Ends with its scope: `using change = changing(…)`. */
export function changing({ changing }: Cloud, team: TeamId, app: AppName): Disposable {
  const key = keys.app(team, app)
  if (changing.has(key)) throw new DeployInProgress(app)
  changing.add(key)
  return { [Symbol.dispose]: () => void changing.delete(key) }
}
