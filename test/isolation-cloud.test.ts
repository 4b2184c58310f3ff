import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster } from '../runtime/src/cluster/connect.ts'
import { prepareNatsServer } from '../runtime/src/cluster/nats-server.ts'
import { openState } from '../runtime/src/control/state.ts'
import { ensureTeam } from '../runtime/src/control/testing/team.ts'
import { InstanceRecord } from '../runtime/src/host/record.ts'
import { findLaunched } from '../runtime/src/vm/launch.ts'
import { ensureExampleImage } from '../scripts/images/ensure.ts'
import { Client } from '../sdk/src/index.ts'
import { startCloud, type TestCloud } from './harness/cloud.ts'
import { Peer } from './isolation-guest.ts'
import {
  type Internet,
  internet,
  makeInternet,
  otherHostAddress,
  outerAddress,
  strangersLan,
} from './isolation-internet.ts'
import { inOwnNetwork } from './isolation-own-network.ts'

/** Of a service that listens on all addresses of the host, and of one in the internet. */
const port = 7_001
/** Of the apps; something in the internet listens there too. */
const appPort = 8_080

if (inOwnNetwork(import.meta.filename)) {
  let world: Internet
  let outside: Peer
  let service: Server
  let cloud: TestCloud
  const address = new Map<string, string>()

  before(async () => {
    world = await makeInternet('10.128.0.0/9')
    outside = await Peer.start(port, world.pid, [port, appPort])
    service = createServer((socket) => socket.destroy()).listen(port, '0.0.0.0')
    cloud = await startCloud({ foreignOnEmulated: true })
    const hello = await ensureExampleImage('hello')
    await cloud.deploy('neighbour', { image: hello, idleMs: 10 })
    await cloud.deploy('hostile', {
      image: await ensureExampleImage('hostile'),
      memoryMib: 128,
      idleMs: 10,
      maxInstances: 1,
    })
    await deployOfOthers(hello)
    for (const record of await records(cloud)) address.set(record.app, record.address)
  })
  after(async () => {
    outside?.stop()
    service?.close()
    await cloud?.down()
    await world?.[Symbol.asyncDispose]()
  })

  const deployOfOthers = async (image: string) => {
    const { natsPort } = await cloudConfig(cloud)
    const { config } = await prepareNatsServer({ dir: join(cloud.dataDir, 'nats'), port: natsPort })
    await using cluster = Cluster.open(config, { name: 'test' })
    const token = await ensureTeam(openState(cluster), 'others')
    const client = new Client({ url: `http://127.0.0.1:${cloud.apiPort}`, token })
    for await (const _ of client.deploy('stranger', { image })) void _
  }
  /** What the program in the hostile app's instance came to. */
  const connects = async (host: string, to: number) =>
    (await cloud.get('hostile', `/connect/${host}/${to}`)).body.trim()
  const neighbourAnswers = async (times: number) => {
    for (let turn = 0; turn < times; turn++) {
      const { status } = await cloud.get('neighbour')
      assert.equal(status, 200)
      await delay(30) // it sleeps in between
    }
  }

  test('a program reaches the internet, and no service of its host, the control plane, the LAN or another guest', async () => {
    for (const to of [port, appPort]) assert.equal(await connects(internet, to), 'connected')
    const { natsPort } = await cloudConfig(cloud)
    const gateway = `169.254.${address.get('hostile')?.split('.')[1]}.1`
    const ports = [port, natsPort, cloud.apiPort, cloud.edgePort]
    const hosts = [gateway, outerAddress, otherHostAddress]
    const targets: [string, number][] = hosts.flatMap((host) => ports.map((one): [string, number] => [host, one]))
    for (const app of ['neighbour', 'stranger']) targets.push([address.get(app)!, appPort])
    targets.push([strangersLan, port])
    const came = await Promise.all(targets.map(([host, to]) => connects(host, to)))
    for (const [index, outcome] of came.entries()) assert.notEqual(outcome, 'connected', targets[index]!.join(':'))
    assert.equal(await connects(gateway, 53), 'connected') // names are answered
    for (const app of ['neighbour', 'stranger']) assert.equal((await cloud.get(app)).status, 200) // they do listen
    const refused = /packets were refused/
    for (
      const until = Date.now() + 60_000;
      !(await log('hostile')).some((text) => refused.test(text));
      await delay(500)
    )
      assert.ok(Date.now() < until, 'the log does not tell of it')
  })

  test('a guest that spins and is woken all the time keeps no priority, and its neighbours go on', async () => {
    await cloud.get('hostile', '/burn')
    const storm = { over: false }
    const waking = (async () => {
      while (!storm.over) {
        assert.equal((await cloud.get('hostile')).status, 200)
        await delay(15)
      }
    })()
    await neighbourAnswers(30)
    storm.over = true
    await waking
    const pid = await pidOf(cloud, 'hostile')
    for (const until = Date.now() + 20_000; (await policies(pid)).has(2); await delay(10))
      assert.ok(Date.now() < until, 'threads are still at real-time priority')
  })

  test('a fork bomb stays in its instance: bounded threads of the host, and its neighbours go on', async () => {
    await cloud.get('hostile', '/bomb')
    await neighbourAnswers(10)
    const pid = await pidOf(cloud, 'hostile')
    assert.ok((await readdir(`/proc/${pid}/task`)).length <= 160)
    assert.ok(residentMib(await readFile(`/proc/${pid}/status`, 'utf8')) <= 128 + 256)
    await cloud.client.remove('hostile')
    assert.deepEqual((await records(cloud)).map(({ app }) => app).sort(), ['neighbour', 'stranger'])
  })

  test('a memory hog ends by itself, is started again, and its neighbours go on', async () => {
    await cloud.deploy('hostile', { image: await ensureExampleImage('hostile'), memoryMib: 128, maxInstances: 1 })
    const [before] = await cloud.instances('hostile')
    await cloud.get('hostile', '/eat').catch(() => undefined)
    await neighbourAnswers(10)
    for (const until = Date.now() + 120_000; ; await delay(500)) {
      const [now] = await cloud.instances('hostile')
      if (now && now.id !== before?.id && (await cloud.get('hostile')).status === 200) break
      await cloud.get('hostile') // a request starts it again
      assert.ok(Date.now() < until, 'it was not started again')
    }
    assert.ok((await log('hostile')).some((text) => /crashed/.test(text)))
  })

  const log = async (app: string) => (await Array.fromAsync(cloud.client.logs(app))).map(({ text }) => text)
}

const cloudConfig = async ({ dataDir }: TestCloud) =>
  JSON.parse(await readFile(join(dataDir, 'cloud.json'), 'utf8')) as { natsPort: number }

async function records({ dataDir }: TestCloud): Promise<InstanceRecord[]> {
  const folder = join(dataDir, 'host/instances')
  const read = async (id: string) =>
    InstanceRecord.parse(JSON.parse(await readFile(join(folder, id, 'instance.json'), 'utf8')))
  return Promise.all((await readdir(folder)).map(read))
}

async function pidOf(cloud: TestCloud, app: string): Promise<number> {
  const record = (await records(cloud)).find((one) => one.app === app)
  const launched = await findLaunched(join(cloud.dataDir, 'host/instances', record!.id))
  return launched!.pid
}

const residentMib = (status: string) => Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024

/** Of all threads: 2 is round robin in real time (field 41 of proc_pid_stat(5)). */
async function policies(pid: number): Promise<Set<number>> {
  const threads = await readdir(`/proc/${pid}/task`)
  const stats = await Promise.all(threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/stat`, 'latin1')))
  return new Set(stats.map((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38])))
}
