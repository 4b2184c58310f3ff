import type { DeployStep } from '../../sdk/src/index.ts'
import type { TestCloud } from '../../test/harness/cloud.ts'
import type { Asked } from './traffic.ts'

/** A change of the release that serves; ms since the epoch. */
export interface Change {
  kind: 'deploy' | 'rollback'
  from: number
  to: number
  askedAt: number
  /** When its client heard that it is live. */
  liveAt: number
}

/** What is done while users ask: a deploy, or a rollback to the release before or to that one. */
export type Order = 'deploy' | 'rollback' | { rollbackTo: number }

/** Deploys change one variable of the environment: the image is there already. */
export async function change(
  cloud: TestCloud,
  app: string,
  image: string,
  order: Order,
  from: number,
): Promise<Change> {
  const askedAt = Date.now()
  const { client } = cloud
  if (order === 'deploy') {
    const to = await ended(client.deploy(app, { image, env: [`DEPLOYED_AT=${askedAt}`] }))
    return { kind: 'deploy', from, to, askedAt, liveAt: Date.now() }
  }
  const to = await ended(client.rollback(app, order === 'rollback' ? undefined : order.rollbackTo))
  return { kind: 'rollback', from, to, askedAt, liveAt: Date.now() }
}

async function ended(steps: AsyncIterable<DeployStep>): Promise<number> {
  for await (const step of steps) if (step.type === 'live') return step.release
  throw new Error('a change ended without being live')
}

/** How long after a change was live requests that began still met the release before, ms. */
export function lagMs({ from, liveAt }: Change, until: number, asked: Asked[]): number {
  const late = asked.filter(({ release, beganAt }) => release === from && beganAt > liveAt && beganAt < until)
  return Math.max(0, ...late.map(({ beganAt }) => beganAt - liveAt))
}

/** How long after it was asked for requests that began still met the release before, ms. */
export function tookMs({ from, askedAt }: Change, until: number, asked: Asked[]): number {
  const late = asked.filter(({ release, beganAt }) => release === from && beganAt > askedAt && beganAt < until)
  return Math.max(0, ...late.map(({ beganAt }) => beganAt - askedAt))
}

/** Edges follow within some ms; on a machine without a free core that may be more. */
const followMs = 2_000

/** Answers of a release that took no requests at any moment between the request's begin and the reply's end. */
export function untimely(asked: Asked[], first: number, changes: Change[]): Asked[] {
  const spans = [{ to: first, askedAt: 0, liveAt: 0 }, ...changes].map(({ to, askedAt }, index) => ({
    release: to,
    fromMs: askedAt,
    toMs: (changes[index]?.liveAt ?? Number.POSITIVE_INFINITY) + followMs,
  }))
  return asked.filter(({ release, beganAt, endedAt, failure }) => {
    if (failure) return false
    return !spans.some((span) => span.release === release && endedAt >= span.fromMs && beganAt <= span.toMs)
  })
}
