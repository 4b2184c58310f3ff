import { setTimeout as delay } from 'node:timers/promises'
import { startCloud } from '../test/harness/cloud.ts'
import { percentiles, quantile } from './statistics.ts'
import { wakeInTurn } from './wake/in-turn.ts'
import { usageRecords, wasAsleep } from './wake/intervals.ts'
import { copiesOf, kinds } from './wake/kinds.ts'
import { coldStarts, type Peer } from './wake/peers.ts'
import { type Sample, User } from './wake/user.ts'
import { awake, deployAll, warmAll } from './wake/warm.ts'

const sizes = {
  full: { wakes: 300, copies: 10, longRounds: 3, longPauseMs: 60_000, warm: 300, warmOfCopy: 60, peerRuns: 8 },
  quick: { wakes: 15, copies: 1, longRounds: 1, longPauseMs: 5_000, warm: 100, warmOfCopy: 0, peerRuns: 3 },
}
/** Asleep between two requests of the short part. */
const pauseMs = 1_500
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
  const copies = copiesOf(size.copies)
  progress(`deploying ${copies.length} apps`)
  await deployAll(
    cloud,
    copies.map(({ app, kind }) => ({ app, image: kind.image, request: { idleMs } })),
  )
  progress('warming them by traffic of their own')
  await warmAll(cloud, copies)
  progress('first bytes while they are awake')
  const warm = new Map<string, number[]>()
  for (const { app, isFirst } of copies)
    warm.set(app, await awake(user, cloud.edgePort, app, isFirst ? size.warm : size.warmOfCopy))
  const firsts = copies.flatMap(({ app, isFirst }) => (isFirst ? [app] : []))
  const short = await wakeInTurn(user, cloud.edgePort, firsts, { wakes: size.wakes, idleMs, pauseMs }, progress)
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
