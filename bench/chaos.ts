import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../runtime/src/bin/up/ports.ts'
import { alive } from '../runtime/src/vm/process.ts'
import { ensureExampleImage } from '../scripts/images/ensure.ts'
import { startCloud, type TestCloud } from '../test/harness/cloud.ts'
import { startRole } from '../test/harness/role.ts'
import { type Kill, killOne, type Victim, victims } from './chaos/kills.ts'
import { audit, type Ledger } from './chaos/ledger.ts'
import { type Outcome, outcome } from './chaos/outcome.ts'
import { seeded } from './chaos/random.ts'
import { lookForStrays } from './chaos/strays.ts'
import { type Flow, type Kind, Traffic } from './chaos/traffic.ts'
import { usageRecords } from './wake/intervals.ts'

interface Chaotic extends Pick<Flow, 'kind' | 'everyMs' | 'paths'> {
  image: string
}

const steady: Chaotic = { kind: 'running', image: 'hello', everyMs: 200, paths: ['/'] }
const slow: Chaotic = { kind: 'running', image: 'node', everyMs: 400, paths: ['/slow?ms=300', '/', '/upload'] }
const seldom: Chaotic = { kind: 'wakes', image: 'hello', everyMs: 900, paths: ['/'] }
/** The steady ones never rest that long, the seldom ones always. */
const idleMs: Record<Kind, number> = { running: 3_000, wakes: 150 }

const sizes = {
  full: { kills: 210, apps: [steady, steady, steady, steady, slow, slow, seldom, seldom, seldom], spreadMs: 2_500 },
  quick: { kills: 10, apps: [steady, steady, steady, steady, steady, seldom, seldom], spreadMs: 1_500 },
}
const settleMs = 60_000

export type ChaosResult = Outcome &
  Ledger & {
    seed: number
    kills: number
    killed: Record<Victim, number>
    strays: number
    stray_findings: string[]
    realtime_threads: number
  }

/** kill -9 of one part of the cloud after the other while users ask, and what they and the ledger noticed of it. */
export async function runChaos(options: {
  quick: boolean
  seed: number
  progress: (line: string) => void
}): Promise<ChaosResult> {
  const { quick, seed, progress } = options
  const size = quick ? sizes.quick : sizes.full
  const random = seeded(seed)
  await using cloud = await startCloud()
  const flows: Flow[] = []
  for (const [index, { image, ...flow }] of size.apps.entries()) {
    const app = `${image}-${index}`
    progress(`deploying ${app}`)
    await cloud.deploy(app, { image: await ensureExampleImage(image), maxInstances: 1, idleMs: idleMs[flow.kind] })
    flows.push({ app, ...flow })
  }
  const second = await startSecondEdge(cloud)
  const kills: Kill[] = []
  const traffic = new Traffic(flows, [cloud.edgePort, second.port])
  try {
    await delay(2_000)
    while (kills.length < size.kills) {
      const victim = victims[Math.floor(random() * victims.length)]!
      const kill = await killOne(cloud, victim, random)
      if (kill) {
        kills.push(kill)
        if (kills.length % 10 === 0) progress(`${kills.length} of ${size.kills} killed`)
      }
      await delay(200 + random() * size.spreadMs)
    }
    await allReady(cloud)
    await delay(5_000) // whoever is still waiting for an instance gets it
  } finally {
    await traffic.stop()
    await second.role.stop()
  }
  const apps = flows.map(({ app }) => app)
  for (const app of apps) {
    await cloud.waitFor(app, 1) // who was killed last may still be on the way back
    await cloud.asleep(app, settleMs)
  }
  const { strays, realtime_threads } = await lookForStrays(cloud, apps)
  const ledger = await settled(cloud, traffic, kills)
  await cloud.down()
  return {
    seed,
    kills: kills.length,
    killed: Object.fromEntries(
      victims.map((victim) => [victim, kills.filter((kill) => kill.victim === victim).length]),
    ) as Record<Victim, number>,
    ...outcome(traffic.asked, kills, cloud.edgePort),
    ...ledger,
    strays: strays.length,
    stray_findings: strays,
    realtime_threads,
  }
}

/** An edge that nobody kills: what is asked through it fails only by what happens behind it. */
async function startSecondEdge({ dataDir }: TestCloud) {
  const port = await freePort()
  const config = JSON.parse(await readFile(join(dataDir, 'config/edge.json'), 'utf8')) as object
  const own = { edge: 'e-second', dataDir: join(dataDir, 'edge-2'), listen: { host: '127.0.0.1', port } }
  return {
    port,
    role: await startRole('edge', { ...config, ...own }, { dir: join(dataDir, 'beside'), name: 'edge-2' }),
  }
}

async function allReady(cloud: TestCloud): Promise<void> {
  const roles = victims.filter((victim) => victim !== 'qemu')
  const isReady = (name: string) => {
    const { pid, startTime, state } = cloud.role(name)
    return state === 'ready' && alive(pid, startTime)
  }
  for (const until = Date.now() + settleMs; !roles.every(isReady); await delay(50))
    if (Date.now() > until) throw new Error(`not ready again: ${roles.filter((role) => !isReady(role)).join(', ')}`)
}

/** The last records are on their way for a moment: looked again until nothing is lost, or too long. */
async function settled(cloud: TestCloud, { asked }: Traffic, kills: Kill[]): Promise<Ledger> {
  for (const until = Date.now() + settleMs; ; await delay(1_000)) {
    const costs = await cloud.client.cost()
    const ledger = audit(await usageRecords(cloud.dataDir), asked, kills, costs)
    if (ledger.usage_lost === 0 || Date.now() > until) return ledger
  }
}
