import { setTimeout as delay } from 'node:timers/promises'
import { ensureExampleImage } from '../scripts/images/ensure.ts'
import { startCloud, type TestCloud } from '../test/harness/cloud.ts'
import { round } from './statistics.ts'
import { type Sample, User } from './wake/user.ts'

const requests = 50
const handlerMs = 100
const concurrency = 10

export interface BurstResult {
  runs: BurstRun[]
  /** Of the run with spares, as PROMISES.md names them. */
  requests: number
  failed: number
  instances: number
  last_ms: number
  ideal_ms: number
  last_ratio: number
}

interface BurstRun {
  spares: number
  requests: number
  failed: number
  /** Requests that the app counted: each is to be executed exactly once. */
  executed: number
  instances: number
  /** Instances at work within 100 ms of the first reply that could come. */
  instances_within_100_ms: number
  last_ms: number
  ideal_ms: number
}

/** 0 → 50 concurrent requests of 100 ms each at concurrency 10, with 4 spares and with none. */
export async function runBurst({
  quick,
  progress,
}: {
  quick: boolean
  progress: (line: string) => void
}): Promise<BurstResult> {
  await using cloud = await startCloud()
  await using user = new User()
  const rounds = quick ? 1 : 9
  const warmUps = quick ? 2 : 20
  const runs: BurstRun[] = []
  for (const spares of [4, 0]) {
    const app = `burst-${spares}`
    progress(`deploying ${app}`)
    await cloud.deploy(app, {
      image: await ensureExampleImage('node'),
      concurrency: { soft: concurrency, hard: 100 },
      spares,
      maxInstances: 10,
    })
    await cloud.waitFor(app, 1 + spares)
    // Under emulation an instance is as fast as it gets only after some traffic of its own.
    for (let index = 0; index < warmUps; index++) executedNow((await send(cloud, user, app)).map(slow))
    for (let index = 0; index < rounds; index++) {
      await cloud.asleep(app)
      runs.push(await burst(cloud, user, app, spares))
      progress(`${app}: last of ${requests} after ${runs.at(-1)?.last_ms} ms`)
      await delay(500)
    }
  }
  await cloud.down()
  const withSpares = runs.filter(({ spares }) => spares > 0).toSorted((a, b) => a.last_ms - b.last_ms)
  const { failed, instances, last_ms, ideal_ms } = withSpares[Math.floor(withSpares.length / 2)]!
  return { requests, failed, instances, last_ms, ideal_ms, last_ratio: round(last_ms / ideal_ms), runs }
}

interface Slow {
  instance: string
  /** How many requests the instance has executed, this one included. */
  number: number
}

/** What each instance had executed when the last burst was over. */
const executedBefore = new Map<string, number>()

/** Requests that the instances really executed since the last burst: more than were sent would mean some ran twice. */
function executedNow(replies: Slow[]): number {
  const latest = new Map<string, number>()
  for (const { instance, number } of replies) latest.set(instance, Math.max(number, latest.get(instance) ?? 0))
  let executed = 0
  for (const [instance, number] of latest) {
    executed += number - (executedBefore.get(instance) ?? 0)
    executedBefore.set(instance, number)
  }
  return executed
}

/** All at once; those that were answered. */
async function send(cloud: TestCloud, user: User, app: string): Promise<Sample[]> {
  const path = `/slow?ms=${handlerMs}`
  const asked = Array.from({ length: requests }, () => user.get(cloud.edgePort, app, path).catch(() => undefined))
  return (await Promise.all(asked)).filter((sample): sample is Sample => sample?.status === 200)
}

async function burst(cloud: TestCloud, user: User, app: string, spares: number): Promise<BurstRun> {
  const began = performance.now()
  const answered = await send(cloud, user, app)
  const last_ms = round(performance.now() - began)
  const firstMs = Math.min(...answered.map(({ beganUs, firstByteMs }) => beganUs / 1000 + firstByteMs))
  const early = answered.filter(({ beganUs, firstByteMs }) => beganUs / 1000 + firstByteMs <= firstMs + 100)
  return {
    spares,
    requests,
    failed: requests - answered.length,
    executed: executedNow(answered.map(slow)),
    instances: new Set(answered.map((sample) => slow(sample).instance)).size,
    instances_within_100_ms: new Set(early.map((sample) => slow(sample).instance)).size,
    last_ms,
    // Five instances at once, each for one handler's time.
    ideal_ms: handlerMs,
  }
}

// Node sends it chunked.
const slow = ({ body }: Sample) => JSON.parse(/{.*}/.exec(body)?.[0] ?? '{}') as Slow
