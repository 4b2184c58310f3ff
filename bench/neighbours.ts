import { startCloud, type TestCloud } from '../test/harness/cloud.ts'
import { percentiles, quantile } from './statistics.ts'
import { wakeInTurn } from './wake/in-turn.ts'
import { copiesOf } from './wake/kinds.ts'
import { startStorm, stormApps } from './wake/storm.ts'
import { type Sample, User } from './wake/user.ts'
import { awake, deployAll, warmAll } from './wake/warm.ts'

const sizes = {
  full: { wakes: 300, warm: 300, asleep: 200 },
  quick: { wakes: 20, warm: 60, asleep: 10 },
}
/** Of the apps that are measured: asleep between two requests, and how soon they go to sleep. */
const [pauseMs, idleMs] = [750, 250]
/** Longer than a run of this benchmark. */
const busyMs = 3_600_000

export interface NeighboursResult {
  asleep: number
  neighbours: number
  loads: Load[]
}

interface Load {
  /** What the machine had to do besides. */
  load: 'none' | 'spinning guests' | 'spinning guests, a hostile app woken'
  /** Of the hostile app. */
  wakes_per_second: number
  apps: {
    name: string
    samples: number
    errors: number
    awake_ms: Quantiles
    parked_ms: Quantiles
    penalty_ms: Quantiles
  }[]
}
type Quantiles = { p50: number; p99: number }

/**
 * First byte from parked beside others: with many apps asleep, first on an otherwise idle machine, then while guests of
 * other apps spin on every core, then while a hostile one is woken all the time as well. A penalty is counted from the
 * median awake on the idle machine.
 */
export async function runNeighbours({
  quick,
  progress,
  neighbours,
  asleep,
}: {
  quick: boolean
  progress: (line: string) => void
  neighbours: number
  asleep: number | undefined
}): Promise<NeighboursResult> {
  const size = quick ? sizes.quick : sizes.full
  const sleepers = asleep ?? size.asleep
  await using cloud = await startCloud()
  await using user = new User()
  const copies = copiesOf(1)
  const busy = Array.from({ length: neighbours }, (_, index) => `busy-${index}`)
  progress(`deploying ${copies.length} apps to be woken, ${sleepers} that sleep, ${neighbours} that will spin`)
  await deployAll(cloud, [
    ...copies.map(({ app, kind }) => ({ app, image: kind.image, request: { idleMs } })),
    ...busy.map((app) => ({ app, image: 'hostile', request: { memoryMib: 128 } })),
    ...stormApps.map((app) => ({ app, image: 'hostile', request: { memoryMib: 128, idleMs: 10 } })),
    ...Array.from({ length: sleepers }, (_, index) => ({
      app: `asleep-${index}`,
      image: 'hello',
      request: { memoryMib: 128 },
    })),
  ])
  progress('warming')
  await warmAll(cloud, copies)
  const medians = new Map<string, number>()
  for (const { app } of copies) medians.set(app, quantile(await awake(user, cloud.edgePort, app, size.warm), 0.5))

  const measure = async (load: Load['load'], between: () => Promise<number> = async () => 0): Promise<Load> => {
    progress(`load: ${load}`)
    const names = copies.map(({ app }) => app)
    const samples = await wakeInTurn(user, cloud.edgePort, names, { wakes: size.wakes, idleMs, pauseMs }, progress)
    const wakes_per_second = await between()
    const apps = []
    for (const { app, kind } of copies) {
      const busyMs = await awake(user, cloud.edgePort, app, Math.min(50, size.warm))
      apps.push({
        name: kind.name,
        ...figures(samples.get(app) ?? [], medians.get(app) ?? 0),
        awake_ms: percentiles(busyMs),
      })
    }
    const result = { load, wakes_per_second, apps }
    progress(JSON.stringify(result))
    return result
  }

  const loads = [await measure('none')]
  await using _spinning = await spin(cloud, busy)
  loads.push(await measure('spinning guests'))
  for (const app of stormApps) await cloud.get(app, '/burn')
  const storm = startStorm(cloud.edgePort)
  loads.push(await measure('spinning guests, a hostile app woken', async () => (await storm.stop()).perSecond))
  return { asleep: sleepers, neighbours, loads }
}

function figures(samples: Sample[], median: number) {
  const parked = samples
    .filter(({ status, from }) => status === 200 && from === 'parked')
    .map(({ firstByteMs }) => firstByteMs)
  return {
    samples: parked.length,
    errors: samples.length - parked.length,
    parked_ms: percentiles(parked),
    penalty_ms: percentiles(parked.map((ms) => ms - median)),
  }
}

/** Lets the apps' guests spin: a request that is answered late keeps each awake. */
async function spin(cloud: TestCloud, apps: string[]): Promise<AsyncDisposable> {
  const leaving = new AbortController()
  for (const app of apps) await cloud.get(app, '/burn')
  const held = apps.map((app) => cloud.get(app, `/hold/${busyMs}`, { signal: leaving.signal }).catch(() => undefined))
  return {
    async [Symbol.asyncDispose]() {
      leaving.abort()
      await Promise.all(held)
    },
  }
}
