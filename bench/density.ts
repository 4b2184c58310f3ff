import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { formatMs } from '../runtime/src/core/units.ts'
import type { Client, InstanceView } from '../sdk/src/index.ts'
import { startCloud, type TestCloud } from '../test/harness/cloud.ts'
import { seeded } from './chaos/random.ts'
import { diskMib, type MachineMemory, machineMemory, processMib, roleMemory, suspendedMib } from './density/machine.ts'
import { imagesOf, type Kind, kinds, type PlannedApp, planApps } from './density/plan.ts'
import { makeTeams } from './density/teams.ts'
import { makeVariants } from './density/variants.ts'
import { zipf } from './density/zipf.ts'
import { percentiles, quantile, round } from './statistics.ts'
import { type Sample, User } from './wake/user.ts'

const sizes = {
  full: { apps: 1_000, images: 60, configs: 200, wakes: 1_000 },
  quick: { apps: 4, images: 3, configs: 2, wakes: 20 },
}
const teams = 4
/** As many as the node starts at a time; more only keep one another from their cores, and a start has its deadline. */
const deploysAtOnce = 2
/** One in a thousand that is late on a busy machine must not cost the whole night's measurement; the result counts them. */
const deployTries = 3
/** Between two wakes: some apps are still awake from the one before, as in life. */
const betweenWakesMs = 200
/** With `--quick` only a few apps there are: so few MiB that some of them must be suspended. */
const quickBudgetMib = 300
/** PSS is the kernel's to add up, some ms each: of so many parked instances of each kind. */
const measuredOfKind = 40

export interface DensityResult {
  apps: number
  images: number
  configs: number
  teams: number
  parked: number
  suspended: number
  /** Proportional set size of a parked instance's process. */
  mib_per_parked: Partial<Record<Kind, number>>
  /** On the disk; in memory a suspended instance has nothing. */
  mib_per_suspended: number
  machine_mib: { before: MachineMemory; asleep: MachineMemory; roles: Record<string, number> }
  disk_mib: Record<string, number>
  deploy_s: number
  deploys_repeated: number
  answered: number
  failed: number
  by_tier: Record<string, { share: number; p50: number; p99: number; p999: number }>
}

interface Options {
  quick: boolean
  /** Another number of apps, and of wakes. */
  apps: number | undefined
  progress: (line: string) => void
}

/** Many apps of many images, each started once and then asleep on one machine; then wakes by a Zipf law. */
export async function runDensity({ quick, apps: count, progress }: Options): Promise<DensityResult> {
  const size = quick ? sizes.quick : sizes.full
  const folder = await mkdtemp(join(tmpdir(), 'littlecloud-density-'))
  try {
    progress('making the images')
    const apps = await plan(folder, count ?? size.apps, size)
    return await measureApps(apps, count ?? size.wakes, quick, progress)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function plan(folder: string, count: number, { images, configs }: typeof sizes.full): Promise<PlannedApp[]> {
  const references = {} as Record<Kind, string[]>
  for (const kind of Object.keys(kinds) as Kind[]) {
    references[kind] = await makeVariants(folder, kinds[kind].image, imagesOf(kind, images))
  }
  return planApps(count, teams, configs, references)
}

async function measureApps(
  apps: PlannedApp[],
  wakes: number,
  quick: boolean,
  progress: (line: string) => void,
): Promise<DensityResult> {
  const before = await machineMemory()
  await using cloud = await startCloud({ foreignOnEmulated: true, ...(quick && { memoryBudgetMib: quickBudgetMib }) })
  const clients = await makeTeams(cloud, teams)
  const began = performance.now()
  const deploys_repeated = await deployAll(clients, apps, progress)
  const deploy_s = round((performance.now() - began) / 1000)
  const instances = await asleep(cloud, clients)
  const parked = instances.filter(({ state }) => state === 'parked')
  const result = {
    apps: apps.length,
    images: new Set(apps.map(({ image }) => image)).size,
    configs: new Set(apps.map(({ env }) => env[0])).size,
    teams: new Set(apps.map(({ team }) => team)).size,
    parked: parked.length,
    suspended: instances.length - parked.length,
    mib_per_parked: await parkedMib(cloud, apps, parked),
    mib_per_suspended: mean(await suspendedMib(cloud.dataDir)),
    machine_mib: { before, asleep: await machineMemory(), roles: await roleMemory(cloud.dataDir) },
    disk_mib: await diskMib(cloud.dataDir),
    deploy_s,
    deploys_repeated,
  }
  progress(JSON.stringify(result))
  const samples = await wakeAll(cloud, zipf(apps, wakes, seeded(1)), progress)
  await cloud.down()
  return { ...result, ...judged(samples, wakes) }
}

/** Several at once; says every few seconds how far it is and when it will be done. Returns how many had to be repeated. */
async function deployAll(clients: Client[], apps: PlannedApp[], progress: (line: string) => void): Promise<number> {
  const began = performance.now()
  const left = [...apps]
  let told = 0
  let repeated = 0
  const work = async () => {
    for (let app = left.shift(); app; app = left.shift()) {
      const client = clients[app.team]!
      for (let tries = 1; ; tries++) {
        const error = await deployOne(client, app).catch((error: Error) => error)
        if (!error) break
        if (tries === deployTries) throw error
        repeated++
        progress(`${app.name}: ${error.message}: once more`)
      }
      const done = apps.length - left.length
      const tookMs = performance.now() - began
      if (tookMs - told < 10_000) continue
      told = tookMs
      progress(`${done} of ${apps.length} apps deployed, ${formatMs((tookMs / done) * left.length)} to go`)
    }
  }
  await Promise.all(Array.from({ length: deploysAtOnce }, work))
  return repeated
}

async function deployOne(client: Client, { name, image, memoryMib, env, idleMs, concurrency }: PlannedApp) {
  for await (const _ of client.deploy(name, { image, memoryMib, env, idleMs, concurrency })) {
    // to its end: it throws if it fails
  }
}

/** All instances, once none of them is awake or on its way to the disk. */
async function asleep(cloud: TestCloud, clients: Client[]): Promise<InstanceView[]> {
  for (const until = Date.now() + 120_000; ; await delay(500)) {
    const instances = (await Promise.all(clients.map((client) => client.ps()))).flat()
    if (instances.every(({ state }) => state === 'parked' || state === 'suspended')) return instances
    if (Date.now() > until) throw new Error(`not all sleep: ${JSON.stringify((await cloud.client.status()).nodes)}`)
  }
}

async function parkedMib(cloud: TestCloud, apps: PlannedApp[], parked: InstanceView[]) {
  const kindOf = new Map(apps.map(({ name, kind }) => [name, kind]))
  const mib: DensityResult['mib_per_parked'] = {}
  for (const [kind, own] of Map.groupBy(parked, ({ app }) => kindOf.get(app)!)) {
    const some = await Promise.all(own.slice(0, measuredOfKind).map(({ id }) => processMib(cloud.dataDir, id)))
    mib[kind] = mean(some.filter((one) => one !== undefined))
  }
  return mib
}

async function wakeAll(cloud: TestCloud, apps: PlannedApp[], progress: (line: string) => void): Promise<Sample[]> {
  await using user = new User()
  const samples: Sample[] = []
  for (const [index, { name }] of apps.entries()) {
    if (index % 50 === 0) progress(`${index} of ${apps.length} wakes`)
    const sample = await user.get(cloud.edgePort, name).catch((error: Error) => progress(`${name}: ${error.message}`))
    if (sample?.status === 200) samples.push(sample)
    else if (sample) progress(`${name}: ${sample.status} ${sample.body}`)
    await delay(betweenWakesMs)
  }
  return samples
}

function judged(samples: Sample[], wakes: number) {
  const by_tier: DensityResult['by_tier'] = {}
  for (const [tier, own] of Map.groupBy(samples, ({ from = 'unknown' }) => from)) {
    const ms = own.map(({ firstByteMs }) => firstByteMs)
    by_tier[tier] = { share: round(own.length / samples.length), ...percentiles(ms), p999: quantile(ms, 0.999) }
  }
  return { answered: samples.length, failed: wakes - samples.length, by_tier }
}

const mean = (values: number[]) => round(values.reduce((sum, value) => sum + value, 0) / values.length || 0)
