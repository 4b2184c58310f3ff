import { list } from '../../cluster/list.ts'
import { keys } from '../../cluster/subjects.ts'
import type { Release } from '../../model/release.ts'
import type { Cloud } from '../cloud.ts'
import { dropImage } from '../images.ts'

/** Releases kept besides the live one: enough to go back over a bad day; each keeps its image's root on the disk. */
const kept = 5

export async function prune(cloud: Cloud, { team, app, number: live }: Release): Promise<void> {
  const all = await list(cloud.state.releases, `${keys.app(team, app)}.*`)
  const old = all.filter(({ value }) => value.number < live).toSorted((a, b) => b.value.number - a.value.number)
  for (const { key, value } of old.slice(kept)) {
    await cloud.state.secrets.delete(key)
    await cloud.state.releases.delete(key)
    await dropImage(cloud, value.image.digest)
  }
}
