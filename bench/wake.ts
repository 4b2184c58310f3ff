import { setTimeout as delay } from 'node:timers/promises'
import { ensureExampleImage } from '../scripts/images/ensure.ts'
import { startCloud, type TestCloud } from '../test/harness/cloud.ts'
import { percentiles, quantile } from './statistics.ts'
import { usageRecords, wasAsleep } from './wake/intervals.ts'
import { coldStarts, type Peer } from './wake/peers.ts'
import { type Sample, User } from './wake/user.ts'

/** The three kinds of app, and how many requests of its own make each as warm as it gets under emulation. */
const kinds = [
  { name: 'static', image: 'hello', warmUp: 300 },
  { name: 'node', image: 'node', warmUp: 3_000 },
  { name: 'python', image: 'python', warmUp: 1_500 },
] as const

const sizes = {
  full: { wakes: 300, copies: 10, longRounds: 3, longPauseMs: 60_000, warm: 300, peerRuns: 8 },
  quick: { wakes: 15, copies: 1, longRounds: 1, longPauseMs: 5_000, warm: 100, peerRuns: 3 },
}
/** Asleep between two requests of the short part. */
const pauseMs = 2_000
const idleMs = 250

export interface WakeResult {
  apps: AppResult[]
  peers: Peer[]
}

interface AppResult {
  name: string
  samples: number
  /** Samples that were no wake from parked, or no 200: each is a failure of the benchmark, none is left out silently. */
  errors: number
  warm_ms: { p50: number; p99: number }
  parked_ms: { p50: number; p99: number; p999: number }
  penalty_ms: { p50: number; p99: number }
  long: { samples: number; errors: number; penalty_ms: { p50: number; p99: number } }
}

interface Copy {
  app: string
  kind: (typeof kinds)[number]
}

/** First byte from parked against first byte while awake, seen by a user on new connections. */
export async function runWake({
  quick,
  progress,
}: {
  quick: boolean
  progress: (line: string) => void
}): Promise<WakeResult> {
  const size = quick ? sizes.quick : sizes.full
  await using cloud = await startCloud()
  await using user = new User()
  const copies = kinds.flatMap((kind) =>
    Array.from({ length: size.copies }, (_, index): Copy => ({ app: `${kind.name}-${index}`, kind })),
  )
  const warm = new Map<string, number[]>()
  for (const copy of copies) {
    progress(`deploying and warming ${copy.app}`)
    // The first of each kind is measured most; its copies only over one long pause after another.
    const share = copy.app.endsWith('-0') ? 1 : 0.4
    warm.set(copy.app, await deployWarm(cloud, user, copy, Math.round(size.warm * share), share))
  }
  const firsts = copies.filter(({ app }) => app.endsWith('-0'))
  const short = await wakeInTurn(cloud, user, firsts, size.wakes, progress)
  const long: [string, Sample][] = []
  for (let round = 0; round < size.longRounds; round++) {
    progress(
      `all ${copies.length} asleep together for ${size.longPauseMs / 1000} s, round ${round + 1} of ${size.longRounds}`,
    )
    await delay(idleMs + size.longPauseMs)
    for (const { app } of copies) {
      long.push([app, await user.get(cloud.edgePort, app)])
      await delay(200)
    }
  }
  await delay(idleMs + 2_500) // the last records are on their way
  const records = await usageRecords(cloud.dataDir)
  const intervals = (app: string) => records.filter((record) => record.app === app && record.kind === 'run')
  const isWake = (app: string) => {
    const own = intervals(app)
    return ({ beganUs, firstByteMs, status, from }: Sample) =>
      status === 200 && from === 'parked' && wasAsleep(beganUs, firstByteMs, own)
  }
  const apps = kinds.map(({ name }): AppResult => {
    const app = `${name}-0`
    const samples = short.get(app) ?? []
    const wakes = samples.filter(isWake(app))
    const warmMs = warm.get(app) ?? []
    const warmMedian = quantile(warmMs, 0.5)
    const parked = wakes.map(({ firstByteMs }) => firstByteMs)
    const longs = long.filter(([copy]) => copy.startsWith(`${name}-`))
    const longWakes = longs.filter(([copy, sample]) => isWake(copy)(sample))
    return {
      name,
      samples: wakes.length,
      errors: samples.length - wakes.length,
      warm_ms: percentiles(warmMs),
      parked_ms: { ...percentiles(parked), p999: quantile(parked, 0.999) },
      penalty_ms: percentiles(parked.map((ms) => ms - warmMedian)),
      long: {
        samples: longWakes.length,
        errors: longs.length - longWakes.length,
        penalty_ms: percentiles(
          longWakes.map(([copy, { firstByteMs }]) => firstByteMs - quantile(warm.get(copy) ?? [], 0.5)),
        ),
      },
    }
  })
  for (const app of apps) progress(JSON.stringify(app))
  await cloud.down()
  progress('cold starts of the same images, for comparison')
  const peers: Peer[] = []
  for (const { name, image } of kinds) peers.push(...(await coldStarts(name, image, size.peerRuns, user, progress)))
  return { apps, peers }
}

/** Deploys a copy, lets its own traffic warm it, and returns first bytes (ms) while it is awake. */
async function deployWarm(
  cloud: TestCloud,
  user: User,
  { app, kind }: Copy,
  samples: number,
  share: number,
): Promise<number[]> {
  await cloud.deploy(app, { image: await ensureExampleImage(kind.image), idleMs })
  for (let sent = 0; sent < kind.warmUp * share; sent++) await user.get(cloud.edgePort, app)
  const warm: number[] = []
  while (warm.length < samples) {
    await delay(20)
    warm.push((await user.get(cloud.edgePort, app)).firstByteMs)
  }
  return warm
}

async function wakeInTurn(
  cloud: TestCloud,
  user: User,
  copies: Copy[],
  wakes: number,
  progress: (line: string) => void,
) {
  const samples = new Map<string, Sample[]>(copies.map(({ app }) => [app, []]))
  await delay(idleMs + 500)
  for (let wake = 0; wake < wakes; wake++) {
    if (wake % 50 === 0) progress(`${wake} of ${wakes} wakes of each app`)
    const began = performance.now()
    for (const [index, { app }] of copies.entries()) {
      // Spread over the pause, so that no two apps are awake in the same moment by design.
      await delay(Math.max(0, began + (index * (idleMs + pauseMs)) / copies.length - performance.now()))
      samples.get(app)?.push(await user.get(cloud.edgePort, app))
    }
    await delay(Math.max(0, began + idleMs + pauseMs - performance.now()))
  }
  return samples
}
