import { Conflict } from '../../cluster/errors.ts'
import { keys } from '../../cluster/subjects.ts'
import { errorFields } from '../../core/errors.ts'
import { formatBytes } from '../../core/units.ts'
import { changing } from '../changing.ts'
import type { Cloud } from '../cloud.ts'
import { urlOf } from '../config.ts'
import { DeployCancelled, DeployOverruled } from '../errors.ts'
import { importing } from '../images.ts'
import { awaitParked } from './await-parked.ts'
import type { Plan } from './plan.ts'
import { prune } from './prune.ts'
import { type Written, writeRelease } from './release.ts'
import { forgetUnborn, rollBack, undo } from './roll-back.ts'
import type { DeployEvent, Live, Tell } from './steps.ts'

/**
 * Carries a plan out: image → release → placement → the node has an instance parked → live. Until that last write the
 * old release serves. Whatever goes wrong, also `signal`, leaves nothing behind but a failed release's record.
 */
export async function deploy(cloud: Cloud, plan: Plan, tell: Tell, signal: AbortSignal): Promise<Live> {
  const begun = performance.now()
  using _change = changing(cloud, plan.team, plan.app)
  await using image = await importing(cloud, plan, tell, signal)
  step(tell, 'image', `${image.digest.slice(0, 19)}… ${formatBytes(image.rootBytes)}`, performance.now() - begun)
  const written = await writeRelease(cloud, plan, image).catch(async (error: unknown) => {
    await undo(cloud, plan, () => forgetUnborn(cloud, plan.team, plan.app))
    throw error
  })
  const { release } = written
  try {
    if (signal.aborted) throw new DeployCancelled(String(signal.reason))
    const parked = await place(cloud, release, tell, signal)
    await goLive(cloud, written)
    const { memoryMib, cpus, number } = release
    const live: Live = {
      type: 'live',
      app: plan.app,
      release: number,
      url: urlOf(plan.hostname, cloud.config),
      image: release.image,
      instance: { id: parked.instance, node: parked.node.id, memoryMib, cpus, isolation: parked.node.isolation },
      tookMs: performance.now() - begun,
    }
    await cloud.events.tell(release, { kind: 'live', message: live.url, tookMs: live.tookMs })
    await prune(cloud, release).catch((error) => cloud.log.warn({ error: String(error) }, 'old releases were kept'))
    return live
  } catch (error) {
    await undo(cloud, plan, () => rollBack(cloud, written, error))
    const { code, message, hint, status } = errorFields(error)
    const failure = { kind: 'failed' as const, message, error: { code, message, hint, status } }
    await cloud.events.tell(release, failure).catch(() => {}) // the person is told by the answer itself
    throw error
  }
}

async function place(cloud: Cloud, release: Written['release'], tell: Tell, signal: AbortSignal) {
  const begun = performance.now()
  const nodes = await cloud.hosts.choose(release)
  const told = await cloud.events.tell(release, { kind: 'image', message: release.image.reference })
  for (const { id } of nodes) {
    await cloud.state.placements.put(keys.placement(id, release.team, release.app), { release: release.number })
  }
  step(tell, 'place', nodes.map(({ id }) => id).join(', '), performance.now() - begun)
  return awaitParked(cloud, release, nodes, told, tell, signal)
}

/** From this write on, edges send requests to it. */
async function goLive(cloud: Cloud, { release, appRevision }: Written): Promise<void> {
  const key = keys.app(release.team, release.app)
  const entry = await cloud.state.apps.get(key)
  if (!entry) throw new DeployOverruled(release.app)
  try {
    await cloud.state.apps.update(key, { ...entry.value, release: release.number, stopped: false }, appRevision)
  } catch (error) {
    throw error instanceof Conflict ? new DeployOverruled(release.app) : error
  }
}

const step = (tell: Tell, step: DeployEvent['step'], message: string, tookMs: number) =>
  tell({ type: 'step', step, message, tookMs })
