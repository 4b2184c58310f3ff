// What goes on when a part of the cloud is stopped, cut off or killed. One cloud; its apps are the example `node`.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../../runtime/src/bin/up/ports.ts'
import { alive } from '../../runtime/src/vm/process.ts'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import { billedRuns } from '../harness/billed.ts'
import { get, startCloud, type TestCloud } from '../harness/cloud.ts'
import { download, isWhole } from '../harness/download.ts'
import { type RoleProcess, startRole } from '../harness/role.ts'

/** 30 s, a piece every 100 ms. */
const events = 300
const everyMs = 100
const idleMs = 1_000
/** How long a hold is believed without a word of its edge. */
const holdExpiryMs = 5_000
/** The agent looks for expired holds twice a second, and QEMU stops within some ms; the two cores are not ours alone. */
const slackMs = 1_000

let cloud: TestCloud
let secondEdge: RoleProcess
let secondPort: number

before(async () => {
  const image = await ensureExampleImage('node')
  cloud = await startCloud()
  for (const app of ['through-a', 'through-b', 'asked']) await cloud.deploy(app, { image, idleMs })
  secondPort = await freePort()
  const config = JSON.parse(await readFile(join(cloud.dataDir, 'config/edge.json'), 'utf8')) as object
  const own = {
    edge: 'e-second',
    dataDir: join(cloud.dataDir, 'edge-2'),
    listen: { host: '127.0.0.1', port: secondPort },
  }
  secondEdge = await startRole('edge', { ...config, ...own }, { dir: join(cloud.dataDir, 'beside'), name: 'edge-2' })
})

after(async () => {
  await secondEdge?.stop()
  await cloud?.down()
})

const readyAgain = async (role: string, pid: number) => {
  for (const until = Date.now() + 30_000; Date.now() < until; await delay(20)) {
    const file = cloud.role(role)
    if (file.pid !== pid && file.state === 'ready' && alive(file.pid, file.startTime)) return file
  }
  throw new Error(`the supervisor did not start ${role} again`)
}

test('an edge that is stopped for 20 s loses its holds after 5 s, and its download goes on when it comes back', async (t) => {
  await cloud.asleep('through-b')
  const [mine, others] = [
    download(secondPort, 'through-b', events, everyMs),
    download(cloud.edgePort, 'through-a', events, everyMs),
  ]
  await mine.reached(30)
  const incarnation = (await cloud.instances('through-b'))[0]
  secondEdge.signal('SIGSTOP')
  const stoppedAt = Date.now()
  const { lastByteAt } = mine
  await cloud.asleep('through-b', holdExpiryMs + slackMs)
  t.diagnostic(`its instance slept ${Date.now() - stoppedAt} ms after the stop`)
  await delay(20_000 - (Date.now() - stoppedAt))
  const continuedAt = Date.now()
  secondEdge.signal('SIGCONT')

  await Promise.all([mine.ended, others.ended])
  assert.ok(isWhole(others, events), `the other edge's download: ${others.end}, ${others.numbers.length} events`)
  assert.ok(isWhole(mine, events), `its own download: ${mine.end}, ${mine.numbers.length} events`)
  await cloud.asleep('through-b')
  assert.equal((await cloud.instances('through-b'))[0]?.id, incarnation?.id)
  const [first, second, ...more] = await billedRuns(cloud.dataDir, 'through-b', mine.firstByteAt)
  assert.ok(first && second && more.length === 0, 'two stretches are billed')
  const late = first.endMs - lastByteAt
  t.diagnostic(
    `billed until ${Math.round(late)} ms after the last byte; again from ${Math.round(second.startMs - continuedAt)} ms after it went on`,
  )
  assert.ok(late <= idleMs + holdExpiryMs, `billed until ${late} ms after the last byte`)
  assert.ok(second.startMs >= continuedAt)
  assert.ok(second.endMs - mine.lastByteAt <= idleMs + slackMs)
})

test('control, billing and NATS are killed while requests flow, and none of them fails', async (t) => {
  let over = false
  const waits = [5, 50, 300, 1_300] // some find the app awake, some wake it
  let asked = 0
  const failures: string[] = []
  const flow = async () => {
    for (let turn = 0; !over; turn++) {
      asked++
      const reply = await cloud.get('asked', '/').catch((error: Error) => ({ status: 0, body: error.message }))
      if (reply.status !== 200) failures.push(`${reply.status} ${reply.body}`)
      await delay(waits[turn % waits.length])
    }
  }
  const flowing = [flow(), flow(), flow()]
  for (const role of ['control', 'billing', 'nats']) {
    const { pid } = cloud.role(role)
    cloud.signal(role, 'SIGKILL')
    await readyAgain(role, pid)
    await delay(1_000)
  }
  over = true
  await Promise.all(flowing)
  t.diagnostic(`${asked} requests`)
  assert.deepEqual(failures, [])
  // All of them go on with what they knew.
  const counted = async () => (await cloud.client.cost()).find(({ app, kind }) => app === 'asked' && kind === 'run')
  for (const until = Date.now() + 20_000; ((await counted())?.requests ?? 0) < asked; await delay(200))
    assert.ok(Date.now() < until, `${(await counted())?.requests} of ${asked} requests are in the costs`)
  assert.equal((await counted())?.requests, asked)
})

test('the host agent is killed under a download: it arrives whole, and the next agent takes the instance over', async (t) => {
  await cloud.asleep('through-a')
  const counter = async () => (JSON.parse((await cloud.get('through-a', '/counter')).body) as { count: number }).count
  const count = await counter()
  await cloud.asleep('through-a')
  const [instance] = await cloud.instances('through-a')
  const coming = download(cloud.edgePort, 'through-a', events, everyMs)
  await coming.reached(30)
  const { pid } = cloud.role('host')
  const killedAt = Date.now()
  cloud.signal('host', 'SIGKILL')
  await readyAgain('host', pid)
  t.diagnostic(`the next agent was ready after ${Date.now() - killedAt} ms`)
  await coming.ended
  assert.ok(isWhole(coming, events), `${coming.end}, ${coming.numbers.length} events`)

  await cloud.asleep('through-a', idleMs + slackMs)
  const runs = await billedRuns(cloud.dataDir, 'through-a', coming.firstByteAt)
  assert.equal(runs.length, 1, `one stretch is billed, without a gap: ${JSON.stringify(runs)}`)
  const late = runs[0]!.endMs - coming.lastByteAt
  t.diagnostic(`billed until ${Math.round(late)} ms after the last byte`)
  assert.ok(runs[0]!.startMs <= coming.firstByteAt)
  assert.ok(late <= idleMs + holdExpiryMs)

  assert.equal(await counter(), count + 1, 'its memory is kept')
  await cloud.asleep('through-a')
  assert.equal(await counter(), count + 2, 'and it wakes again')
  assert.equal((await cloud.instances('through-a'))[0]?.id, instance?.id)
})

test('an agent that is stopped for 4 s and for 8 s under a download ends nothing, and bills no more for it', async (t) => {
  await cloud.asleep('through-a')
  const coming = download(cloud.edgePort, 'through-a', events, everyMs)
  const beside = download(secondPort, 'through-b', events, everyMs)
  for (const [at, forMs] of [
    [30, 4_000],
    [100, 8_000],
  ] as const) {
    await coming.reached(at)
    cloud.signal('host', 'SIGSTOP')
    await delay(forMs)
    cloud.signal('host', 'SIGCONT')
  }
  await Promise.race([Promise.all([coming.ended, beside.ended]), delay(45_000, undefined, { ref: false })])
  for (const one of [coming, beside]) assert.ok(isWhole(one, events), `${one.end}, ${one.numbers.length} events`)
  await cloud.asleep('through-a', idleMs + slackMs)
  const runs = await billedRuns(cloud.dataDir, 'through-a', coming.firstByteAt)
  assert.equal(runs.length, 1, JSON.stringify(runs))
  t.diagnostic(`billed until ${Math.round(runs[0]!.endMs - coming.lastByteAt)} ms after the last byte`)
  assert.ok(runs[0]!.endMs - coming.lastByteAt <= idleMs + holdExpiryMs)
})

test('while NATS is away a new edge and a new host agent serve from what they kept on disk', async (t) => {
  const pids = { host: cloud.role('host').pid, edge: cloud.role('edge').pid }
  cloud.signal('nats', 'SIGSTOP')
  try {
    cloud.signal('host', 'SIGKILL')
    cloud.signal('edge', 'SIGKILL')
    await Promise.all([readyAgain('host', pids.host), readyAgain('edge', pids.edge)])
    const asked = performance.now()
    const reply = await get(cloud.edgePort, 'asked', '/', {})
    t.diagnostic(`answered ${Math.round(performance.now() - asked)} ms after both were ready`)
    assert.equal(reply.status, 200, reply.body)
  } finally {
    cloud.signal('nats', 'SIGCONT')
  }
  await cloud.asleep('asked')
  assert.equal((await cloud.get('asked')).status, 200)
})
