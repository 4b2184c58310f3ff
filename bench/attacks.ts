import { setTimeout as delay } from 'node:timers/promises'
import { ensureExampleImage } from '../scripts/images/ensure.ts'
import { startCloud, type TestCloud } from '../test/harness/cloud.ts'
import { percentiles, round } from './statistics.ts'
import { wakeInTurn } from './wake/in-turn.ts'
import { User } from './wake/user.ts'

const sizes = { full: { wakes: 200 }, quick: { wakes: 10 } }
const [neighbour, hostile] = ['neighbour', 'hostile']
const [pauseMs, idleMs] = [220, 30]
/** Some of what it does kills the program, or keeps it from answering: then it is asked again. */
const patienceMs = 10_000

/** What the hostile app does, by the path it is asked for: test/cloud/apps/hostile/server.c. */
const attacks = {
  'a guest that spins': ['/burn', '/hold/2000'],
  'a fork bomb': ['/bomb', '/hold/2000'],
  'a memory hog': ['/eat', '/hold/2000'],
  'a disk filler': ['/fill/file'],
  'a log flood': ['/log/200000'],
  'a flood of packets': ['/send/10.1.2.3/9/200000'],
}

interface Wakes {
  samples: number
  errors: number
  first_byte_ms: { p50: number; p99: number }
}

export interface AttacksResult {
  quiet: Wakes
  attacks: (Wakes & { name: string; p99_ratio: number })[]
}

/** First byte of a sleeping app while another one does its worst, against the same while that one sleeps. */
export async function runAttacks({
  quick,
  progress,
}: {
  quick: boolean
  progress: (line: string) => void
}): Promise<AttacksResult> {
  const { wakes } = quick ? sizes.quick : sizes.full
  await using cloud = await startCloud()
  await using user = new User()
  await cloud.deploy(neighbour, { image: await ensureExampleImage('hello'), idleMs, spares: 0 })
  const measure = () => wakesOf(user, cloud, wakes)
  await measure() // under emulation the first ones make it warm
  const quietly = await measure()
  progress(`quiet: ${JSON.stringify(quietly)}`)
  const results: AttacksResult['attacks'] = []
  for (const [name, paths] of Object.entries(attacks)) {
    const image = await ensureExampleImage('hostile')
    await cloud.deploy(hostile, { image, memoryMib: 128, idleMs: 1_000, maxInstances: 1, spares: 0 })
    const over = new AbortController()
    const attacking = attack(cloud, paths, over.signal)
    await delay(1_000) // it is at work
    const under = await measure()
    over.abort()
    await attacking
    await cloud.client.remove(hostile)
    const p99_ratio = round(under.first_byte_ms.p99 / quietly.first_byte_ms.p99)
    results.push({ name, p99_ratio, ...under })
    progress(JSON.stringify(results.at(-1)))
  }
  return { quiet: quietly, attacks: results }
}

/** Asks for all paths, and for the last one again and again. */
async function attack(cloud: TestCloud, paths: string[], over: AbortSignal): Promise<void> {
  for (let turn = 0; !over.aborted; turn++) {
    const path = paths[Math.min(turn, paths.length - 1)]!
    const signal = AbortSignal.any([over, AbortSignal.timeout(patienceMs)])
    const answer = await cloud.get(hostile, path, { signal }).catch(() => undefined)
    if (answer?.status !== 200) turn = -1 // it was ended: the next one begins from the start
    await delay(10)
  }
}

async function wakesOf(user: User, cloud: TestCloud, wakes: number): Promise<Wakes> {
  const samples =
    (await wakeInTurn(user, cloud.edgePort, [neighbour], { wakes, idleMs, pauseMs }, () => {})).get(neighbour) ?? []
  const parked = samples.filter(({ status, from }) => status === 200 && from === 'parked')
  return {
    samples: parked.length,
    errors: samples.filter(({ status }) => status !== 200).length,
    first_byte_ms: percentiles(parked.map(({ firstByteMs }) => firstByteMs)),
  }
}
