import { list } from '../../cluster/list.ts'
import { keys } from '../../cluster/subjects.ts'
import { type App, serving } from '../../model/app.ts'
import type { Cloud } from '../cloud.ts'
import { dropImage } from '../images.ts'

/** Releases kept besides those in use: enough to go back over a bad day; each keeps its image's root on the disk. */
const kept = 5

export async function prune(cloud: Cloud, app: App): Promise<void> {
  const inUse = new Set([...serving(app), app.kept?.release])
  const all = await list(cloud.state.releases, `${keys.app(app.team, app.name)}.*`)
  const others = all.filter(({ value: { number } }) => !inUse.has(number) && number <= app.newest)
  const old = others.toSorted((a, b) => b.value.number - a.value.number)
  for (const { key, value } of old.slice(kept)) {
    await cloud.state.secrets.delete(key)
    await cloud.state.releases.delete(key)
    await dropImage(cloud, value.image.digest)
  }
}
