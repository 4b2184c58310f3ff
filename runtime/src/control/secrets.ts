import { keys } from '../cluster/subjects.ts'
import type { AppName, TeamId } from '../core/ids.ts'
import { seal, unseal } from '../core/seal.ts'
import type { SealedSecrets } from '../model/secrets.ts'
import type { Cloud } from './cloud.ts'
import { SecretWithoutValue } from './errors.ts'

type Values = Record<string, string>

/** The values for a new release; null keeps the one of the live release. */
export async function secretValues(
  cloud: Cloud,
  team: TeamId,
  app: AppName,
  liveRelease: number,
  wanted: Record<string, string | null>,
): Promise<Values> {
  const kept = Object.values(wanted).includes(null) ? await liveValues(cloud, team, app, liveRelease) : {}
  const values: Values = {}
  for (const [name, value] of Object.entries(wanted)) {
    const chosen = value ?? kept[name]
    if (chosen === undefined) throw new SecretWithoutValue(name)
    values[name] = chosen
  }
  return values
}

export function sealSecrets(clusterKey: Buffer, bucketKey: string, values: Values): SealedSecrets {
  return { names: Object.keys(values), sealed: seal(clusterKey, JSON.stringify(values), bucketKey) }
}

async function liveValues(cloud: Cloud, team: TeamId, app: AppName, release: number): Promise<Values> {
  const key = keys.release(team, app, release)
  const entry = release > 0 ? await cloud.state.secrets.get(key) : undefined
  return entry ? (JSON.parse(unseal(cloud.clusterKey, entry.value.sealed, key)) as Values) : {}
}
