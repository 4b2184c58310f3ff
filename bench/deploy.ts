import { setTimeout as delay } from 'node:timers/promises'
import { ensureExampleImage } from '../scripts/images/ensure.ts'
import { startCloud } from '../test/harness/cloud.ts'
import { type Change, change, lagMs, type Order, tookMs, untimely } from './deploy/changes.ts'
import { type Asked, Traffic } from './deploy/traffic.ts'
import { percentiles, round } from './statistics.ts'

const app = 'hello'
const perSecond = 30
const lastsMs = 60_000

/** Five deploys and two rollbacks: one to the release that is kept, one to a release that has to be started. */
const orders: Order[] = ['deploy', 'deploy', 'rollback', 'deploy', { rollbackTo: 1 }, 'deploy', 'deploy']

export interface DeployResult {
  requests: number
  failed: number
  /** Answers of a release that took no requests at that time. */
  untimely: number
  deploys: number
  rollbacks: number
  /** Requests that began that long after the cloud had said `live` still met the release before. */
  switch_ms: { p50: number; p99: number }
  /** Requests that began that long after asking for it still met the later release; the earlier one is kept, or started. */
  rollback_ms: { kept: number; started: number }
  first_deploy_ms: number
  /** The image is there, one variable differs. */
  small_change_ms: { p50: number; p99: number }
  failures: string[]
}

/** Users ask for 60 s while the app's release changes seven times. */
export async function runDeploy({
  quick,
  progress,
}: {
  quick: boolean
  progress: (line: string) => void
}): Promise<DeployResult> {
  await using cloud = await startCloud()
  const image = await ensureExampleImage(app)
  progress('the first deploy')
  const first = await cloud.deploy(app, { image })
  const traffic = new Traffic(cloud.edgePort, app, perSecond)
  const changes: Change[] = []
  const beganAt = Date.now()
  try {
    let serves = first.release
    for (const [index, order] of orders.entries()) {
      await delay(quick ? 500 : Math.max(500, beganAt + (index + 0.5) * (lastsMs / orders.length) - Date.now()))
      const done = await change(cloud, app, image, order, serves)
      serves = done.to
      changes.push(done)
      progress(`${done.kind} to release ${done.to}: ${done.liveAt - done.askedAt} ms`)
    }
    await delay(quick ? 500 : Math.max(500, beganAt + lastsMs - Date.now()))
  } finally {
    await traffic.stop()
  }
  const result = summary(traffic.asked, first.release, changes)
  await cloud.down()
  return { ...result, first_deploy_ms: round(first.tookMs) }
}

function summary(asked: Asked[], first: number, changes: Change[]): Omit<DeployResult, 'first_deploy_ms'> {
  const lags = changes.map((one, index) => lagMs(one, changes[index + 1]?.askedAt ?? Number.POSITIVE_INFINITY, asked))
  const deploys = changes.filter(({ kind }) => kind === 'deploy')
  const [kept = Number.NaN, started = Number.NaN] = changes.flatMap((one, index) =>
    one.kind === 'rollback' ? [tookMs(one, changes[index + 1]?.askedAt ?? Number.POSITIVE_INFINITY, asked)] : [],
  )
  const failures = asked.flatMap(({ failure }) => failure ?? [])
  return {
    requests: asked.length,
    failed: failures.length,
    untimely: untimely(asked, first, changes).length,
    deploys: deploys.length,
    rollbacks: changes.length - deploys.length,
    switch_ms: percentiles(lags),
    rollback_ms: { kept, started },
    small_change_ms: percentiles(deploys.map(({ askedAt, liveAt }) => liveAt - askedAt)),
    failures: [...new Set(failures)].slice(0, 10),
  }
}
