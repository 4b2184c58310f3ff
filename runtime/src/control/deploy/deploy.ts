import { errorFields } from '../../core/errors.ts'
import { formatBytes } from '../../core/units.ts'
import { withCanary, withLive } from '../../model/app.ts'
import { changing } from '../changing.ts'
import type { Cloud } from '../cloud.ts'
import { DeployCancelled } from '../errors.ts'
import { importing } from '../images.ts'
import { makeReady } from './make-ready.ts'
import type { Plan } from './plan.ts'
import { prune } from './prune.ts'
import { writeRelease } from './release.ts'
import type { Live, Tell } from './steps.ts'
import { switchTo } from './switch-to.ts'
import { forgetUnborn, undo, withdraw } from './undo.ts'

/**
 * Carries a plan out: image → release → placement → the nodes have an instance parked → live. Until that last write the
 * old release serves. Whatever goes wrong, also `signal`, leaves nothing behind but a failed release's record.
 */
export async function deploy(cloud: Cloud, plan: Plan, tell: Tell, signal: AbortSignal): Promise<Live> {
  const begun = performance.now()
  using _change = changing(cloud, plan.team, plan.app)
  await using image = await importing(cloud, plan, tell, signal)
  const facts = `${image.digest.slice(0, 19)}… ${formatBytes(image.rootBytes)}`
  tell({ type: 'step', step: 'image', message: facts, tookMs: performance.now() - begun })
  const { release, appRevision } = await writeRelease(cloud, plan, image).catch(async (error: unknown) => {
    await undo(cloud, plan, () => forgetUnborn(cloud, plan.team, plan.app))
    throw error
  })
  const { canary } = plan.settings
  try {
    if (signal.aborted) throw new DeployCancelled(String(signal.reason))
    const ready = await makeReady(cloud, release, tell, signal)
    const change = { release, ready, begun, appRevision, canary }
    const { live, app } = await switchTo(cloud, change, (app) =>
      canary === undefined ? withLive(app, release.number, Date.now()) : withCanary(app, release.number, canary),
    )
    await prune(cloud, app).catch((error) => cloud.log.warn({ error: String(error) }, 'old releases were kept'))
    return live
  } catch (error) {
    await undo(cloud, plan, () => withdraw(cloud, release, error))
    const { code, message, hint, status } = errorFields(error)
    const failure = { kind: 'failed' as const, message, error: { code, message, hint, status } }
    await cloud.events.tell(release, failure).catch(() => {}) // the person is told by the answer itself
    throw error
  }
}
