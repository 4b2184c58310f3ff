import { list } from '../../cluster/list.ts'
import { has } from '../../cluster/placement.ts'
import { keys } from '../../cluster/subjects.ts'
import type { Release } from '../../model/release.ts'
import type { Cloud } from '../cloud.ts'
import { awaitParked, type Ready } from './await-parked.ts'
import { prepare } from './placements.ts'
import type { Tell } from './steps.ts'

/** States of an instance that takes a request without a start. */
const answers = new Set(['parked', 'suspended', 'running', 'stopping'])

/** Nodes are chosen and make the release ready; resolves when an instance of it could take requests. */
export async function makeReady(cloud: Cloud, release: Release, tell: Tell, signal: AbortSignal): Promise<Ready> {
  const begun = performance.now()
  const nodes = await cloud.hosts.choose(release)
  const told = await cloud.events.tell(release, { kind: 'image', message: release.image.reference })
  const ids = nodes.map(({ id }) => id)
  await prepare(cloud, ids, release, release.number)
  tell({ type: 'step', step: 'place', message: ids.join(', '), tookMs: performance.now() - begun })
  return awaitParked(cloud, release, nodes, told, tell, signal)
}

/** As `makeReady`, for a release that served before: its instance may be there still, asleep, and wanted. */
export async function readyAgain(cloud: Cloud, release: Release, tell: Tell, signal: AbortSignal): Promise<Ready> {
  const begun = performance.now()
  const there = await readyNow(cloud, release)
  const [first] = there
  if (!first) return makeReady(cloud, release, tell, signal)
  const nodes = there.map(({ node }) => node.id).join(', ')
  tell({ type: 'step', step: 'parked', message: `kept on ${nodes}`, tookMs: performance.now() - begun })
  return first
}

/** Where the release is to be and has an instance, as its nodes answer. */
async function readyNow(cloud: Cloud, { team, app, number }: Release): Promise<Ready[]> {
  const placements = list(cloud.state.placements, `*.${keys.app(team, app)}`)
  const [placed, nodes] = await Promise.all([placements, cloud.hosts.all()])
  const wanted = new Set(placed.flatMap(({ key, value }) => (has(value, number) ? [key.split('.')[0]] : [])))
  const found = nodes.map(async (node): Promise<Ready[]> => {
    const instances = wanted.has(node.id) ? await cloud.hosts.instances(node.id) : []
    const one = instances.find(
      (one) => one.team === team && one.app === app && one.release === number && answers.has(one.state),
    )
    return one ? [{ node, instance: one.id }] : []
  })
  return (await Promise.all(found)).flat()
}
