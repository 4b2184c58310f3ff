import { isDeepStrictEqual } from 'node:util'
import { list } from '../../cluster/list.ts'
import { keys } from '../../cluster/subjects.ts'
import type { Cloud } from '../cloud.ts'
import { ControlRestarted } from '../errors.ts'
import { removeApp } from '../remove-app.ts'
import { settle, settled } from './placements.ts'
import { withdraw } from './undo.ts'

/**
 * At the start of the control: no deploy can be in progress, so what looks like one was cut off by a crash and is rolled
 * back; what is left of apps that are no more is removed.
 */
export async function recover(cloud: Cloud): Promise<void> {
  const { state } = cloud
  const apps = new Map((await list(state.apps)).map(({ key, value }) => [key, value]))
  for (const { value: release } of await list(state.releases)) {
    const app = apps.get(keys.app(release.team, release.app))
    if (app && release.number > app.newest && !release.failure) await withdraw(cloud, release, new ControlRestarted())
  }
  for (const { team, name, release } of apps.values()) {
    if (release === 0) await removeApp(cloud, team, name)
  }
  await sweep(cloud)
  for (const { key, value } of await list(state.placements)) {
    const app = apps.get(lastTwo(key))
    if (app && (app.stopped || !isDeepStrictEqual(settled(value, app), value))) await settle(cloud, app)
  }
}

/** A removal that was cut off leaves things of an app whose record is gone. */
async function sweep({ state }: Cloud): Promise<void> {
  const apps = new Set((await list(state.apps)).map(({ key }) => key))
  for (const { key, value } of await list(state.hostnames)) if (!apps.has(value)) await state.hostnames.delete(key)
  for (const { key, value } of await list(state.hostports)) if (!apps.has(value)) await state.hostports.delete(key)
  for (const { key } of await list(state.placements)) if (!apps.has(lastTwo(key))) await state.placements.delete(key)
  for (const { key } of await list(state.secrets)) if (!apps.has(firstTwo(key))) await state.secrets.delete(key)
  for (const { key } of await list(state.releases)) if (!apps.has(firstTwo(key))) await state.releases.delete(key)
}

const firstTwo = (key: string) => key.split('.').slice(0, 2).join('.')
const lastTwo = (key: string) => key.split('.').slice(-2).join('.')
