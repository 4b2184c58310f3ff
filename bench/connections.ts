import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import net from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { readRunFiles } from '../runtime/src/core/run-files.ts'
import { ensureExampleImage } from '../scripts/images/ensure.ts'
import type { InstanceView } from '../sdk/src/index.ts'
import { startCloud, type TestCloud } from '../test/harness/cloud.ts'
import { seeded } from './chaos/random.ts'
import { roleMemory } from './density/machine.ts'
import { percentiles } from './statistics.ts'

const sizes = {
  full: { apps: 200, connections: 10_000, asked: 100 },
  quick: { apps: 4, connections: 80, asked: 16 },
}
const firstPort = 21_000
const deploysAtOnce = 4
const idleMs = 250
/** Nobody may be woken by connections that rest. */
const restMs = 10_000
const question = 'GET / HTTP/1.1\r\nHost: resting\r\n\r\n'

export interface ConnectionsResult {
  apps: number
  /** Half of them have had an answer before; the others have said nothing yet. */
  connections: number
  /** Instances that ran at the end of the rest, or in its middle, and connections that broke. */
  awake: number
  broken: number
  edge: { mib_before: number; mib: number; kib_per_connection: number; open_files: number }
  /** Then a word on some of them. */
  asked: number
  answered: number
  answer_ms: { p50: number; p99: number }
}

/** Many TCP connections that rest, to apps that sleep. */
export async function runConnections({
  quick,
  progress,
}: {
  quick: boolean
  progress: (line: string) => void
}): Promise<ConnectionsResult> {
  const size = quick ? sizes.quick : sizes.full
  await using cloud = await startCloud()
  await deployAll(cloud, size.apps, progress)
  await asleep(cloud, size.apps)
  const before = await edgeMib(cloud)
  const connections: net.Socket[] = []
  try {
    for (let app = 0; app < size.apps; app++) {
      if (app % 20 === 0) progress(`${connections.length} of ${size.connections} connections`)
      connections.push(...(await open(firstPort + app, size.connections / size.apps)))
    }
    await asleep(cloud, size.apps)
    progress(`${connections.length} connections rest`)
    const records = await runs(cloud)
    await delay(restMs)
    const instances = await asleep(cloud, size.apps)
    const mib = await edgeMib(cloud)
    const result = {
      apps: size.apps,
      connections: connections.length,
      awake: (await runs(cloud)) - records + instances.filter(isAwake).length,
      broken: connections.filter(({ destroyed, readyState }) => destroyed || readyState !== 'open').length,
      edge: {
        mib_before: before,
        mib,
        kib_per_connection: ((mib - before) * 1024) / connections.length,
        open_files: await edgeFiles(cloud),
      },
    }
    const answers = await askSome(connections, size.asked)
    return { ...result, asked: size.asked, answered: answers.length, answer_ms: percentiles(answers) }
  } finally {
    for (const socket of connections) socket.destroy()
  }
}

async function deployAll(cloud: TestCloud, apps: number, progress: (line: string) => void) {
  const image = await ensureExampleImage('hello')
  let next = 0
  const lane = async () => {
    for (let app = next++; app < apps; app = next++) {
      if (app % 20 === 0) progress(`${app} of ${apps} apps deployed`)
      await cloud.deploy(`rests-${app}`, {
        image,
        port: 8080,
        protocol: 'tcp',
        hostPort: firstPort + app,
        idleMs,
        spares: 0,
      })
    }
  }
  await Promise.all(Array.from({ length: deploysAtOnce }, lane))
}

/** Half of them ask once, and read the answer. */
async function open(port: number, count: number): Promise<net.Socket[]> {
  const sockets = Array.from({ length: count }, () => net.connect(port, '127.0.0.1').on('error', () => {}))
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  await Promise.all(sockets.filter((_, index) => index % 2 === 0).map(ask))
  return sockets
}

async function ask(socket: net.Socket): Promise<number> {
  const began = performance.now()
  socket.write(question)
  const [bytes] = (await once(socket, 'data', { signal: AbortSignal.timeout(30_000) })) as [Buffer]
  if (!bytes.toString('latin1').startsWith('HTTP/1.1 200 ')) throw new Error(`an odd answer: ${bytes}`)
  return performance.now() - began
}

/** One after the other, as apps that are asked now and then. The times (ms) of those that were answered. */
async function askSome(connections: net.Socket[], count: number): Promise<number[]> {
  const random = seeded(1)
  const left = [...connections]
  const times: number[] = []
  for (let asked = 0; asked < count; asked++) {
    const [socket] = left.splice(Math.floor(random() * left.length), 1)
    const ms = await ask(socket!).catch(() => undefined)
    if (ms !== undefined) times.push(ms)
  }
  return times
}

const isAwake = ({ state }: InstanceView) => state !== 'parked' && state !== 'suspended'

/** All instances, once they sleep; after two minutes as they are. */
async function asleep(cloud: TestCloud, apps: number): Promise<InstanceView[]> {
  for (const until = Date.now() + 120_000; ; await delay(500)) {
    const instances = await cloud.client.ps()
    if ((instances.length >= apps && !instances.some(isAwake)) || Date.now() > until) return instances
  }
}

/** How many times instances have run so far. */
async function runs(cloud: TestCloud): Promise<number> {
  const metrics = await cloud.client.metrics()
  return Number(/^little_host_wake_seconds_count\{[^}]*from="parked"[^}]*\} (\d+)/m.exec(metrics)?.[1] ?? 0)
}

const edgeMib = async (cloud: TestCloud) => (await roleMemory(cloud.dataDir)).edge!

async function edgeFiles(cloud: TestCloud): Promise<number> {
  const edge = readRunFiles(cloud.dataDir).find(({ role }) => role === 'edge')!
  return (await readdir(`/proc/${edge.pid}/fd`)).length
}
