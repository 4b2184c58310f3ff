import { MIB } from '../runtime/src/core/units.ts'
import { importImage } from '../runtime/src/image/import.ts'
import { ensureExampleImage } from '../scripts/images/ensure.ts'
import { openVmRig, type RigInstance, type VmRig } from '../test/harness/vm-rig.ts'
import { percentiles, round } from './statistics.ts'
import { memoryOf, type ProcessMemory } from './tiers/memory.ts'
import { User } from './wake/user.ts'

/** The three kinds of app, and how many requests make each as warm as an app that is used. */
const kinds = [
  { name: 'static', image: 'hello', warmUp: 100 },
  { name: 'python', image: 'python', warmUp: 200 },
  { name: 'node', image: 'node', warmUp: 300 },
] as const

const sizes = {
  full: { kinds: [...kinds], samples: 40, together: 20 },
  quick: { kinds: [kinds[0]], samples: 3, together: 2 },
}
const memoryMib = 256

export interface TiersResult {
  apps: AppResult[]
  /** So many instances of one app, all woken from suspended. */
  together: { instances: number; mib_each: ProcessMemory }
}

interface Percentiles {
  p50: number
  p99: number
}

interface AppResult {
  name: string
  samples: number
  /** First byte of a request while awake, from parked and from suspended, without the edge's share of it. */
  warm_ms: Percentiles
  parked_ms: Percentiles
  suspended_ms: Percentiles
  /** What a first byte from suspended consists of; `guest` is the request itself, with code that is translated anew. */
  parts_ms: Record<keyof Parts, Percentiles>
  suspend_ms: Percentiles
  parked_mib: ProcessMemory
  suspended_mib: { ram: number; files: number; state: number }
}

interface Parts {
  process: number
  ram: number
  state: number
  clock: number
  guest: number
}

/** First byte from each tier, and what an app costs in it, below the edge: a wake there adds its own question. */
export async function runTiers({ quick, progress }: { quick: boolean; progress: (line: string) => void }) {
  const size = quick ? sizes.quick : sizes.full
  await using rig = await openVmRig({ node: 'n-tiers', subnet: '10.125.0.0/16', memoryMib })
  await using user = new User()
  const apps: AppResult[] = []
  for (const kind of size.kinds) {
    progress(`${kind.name}: starting`)
    const image = await importImage(await ensureExampleImage(kind.image), { dataDir: rig.dir })
    const instance = await rig.start(kind.name, image)
    for (let sent = 0; sent < kind.warmUp; sent++) await request(user, instance)
    apps.push({ name: kind.name, ...(await measure(instance, user, size.samples, progress)) })
    progress(JSON.stringify(apps.at(-1)))
  }
  progress(`${size.together} instances of one app`)
  return { apps, together: await wokenTogether(rig, user, size.together) } satisfies TiersResult
}

async function measure(instance: RigInstance, user: User, samples: number, progress: (line: string) => void) {
  const [warm, parked, suspended, suspending]: number[][] = [[], [], [], []]
  const parts: Parts[] = []
  let own = await instance.suspend()
  await instance.resume()
  for (let sample = 0; sample < samples; sample++) {
    if (sample % 10 === 9) progress(`${sample + 1} of ${samples}`)
    const woken = await wakeAndAsk(instance, user)
    if (sample > 0) parked?.push(woken.clock + woken.guest) // the first was just resumed
    for (let sent = 0; sent < 5; sent++) warm?.push(await request(user, instance))
    await instance.vm.qmp.execute('stop')
    const begun = performance.now()
    own = await instance.suspend()
    suspending?.push(performance.now() - begun)
    const { processMs, ramMs, stateMs } = await instance.resume()
    const { clock, guest } = await wakeAndAsk(instance, user)
    parts.push({ process: processMs, ram: ramMs, state: stateMs, clock, guest })
    suspended?.push(processMs + ramMs + stateMs + clock + guest)
    await instance.vm.qmp.execute('stop')
  }
  const ofPart = (name: keyof Parts) => percentiles(parts.map((one) => one[name]))
  return {
    samples: parts.length,
    warm_ms: percentiles(warm ?? []),
    parked_ms: percentiles(parked ?? []),
    suspended_ms: percentiles(suspended ?? []),
    parts_ms: {
      process: ofPart('process'),
      ram: ofPart('ram'),
      state: ofPart('state'),
      clock: ofPart('clock'),
      guest: ofPart('guest'),
    },
    suspend_ms: percentiles(suspending ?? []),
    parked_mib: await memoryOf(instance.vm.process.pid),
    suspended_mib: {
      ram: round(own.ramBytes / MIB),
      files: round(own.scratchBytes / MIB),
      state: round(own.stateBytes / MIB),
    },
  }
}

/** As the host wakes it: `cont`, and the clock set and acknowledged; then a request on a new connection. */
async function wakeAndAsk({ vm, link, port }: RigInstance, user: User) {
  const begun = performance.now()
  vm.qmp.send('cont')
  await vm.guest.setClock()
  const clock = performance.now() - begun
  return { clock, guest: (await user.getAt(link.address, port)).firstByteMs }
}

async function request(user: User, { link, port }: RigInstance): Promise<number> {
  return (await user.getAt(link.address, port)).firstByteMs
}

/** What instances share of their template's pages is seen only where there are several. */
async function wokenTogether(rig: VmRig, user: User, instances: number): Promise<TiersResult['together']> {
  const image = await importImage(await ensureExampleImage('hello'), { dataDir: rig.dir })
  const all: RigInstance[] = []
  for (let index = 0; index < instances; index++) all.push(await rig.start(`together-${index}`, image))
  for (const instance of all) {
    await instance.suspend()
    await instance.resume()
    await wakeAndAsk(instance, user)
    await instance.vm.qmp.execute('stop')
  }
  const each = await Promise.all(all.map(({ vm }) => memoryOf(vm.process.pid)))
  const mean = (name: keyof ProcessMemory) => round(each.reduce((sum, one) => sum + one[name], 0) / each.length)
  return { instances, mib_each: { pss: mean('pss'), own: mean('own'), guest_own: mean('guest_own') } }
}
