// Memory that is short: what goes to the disk, what comes back, and what is said of it.
import assert from 'node:assert/strict'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { compareEveryMs } from '../../runtime/src/host/reconcile.ts'
import { findLaunched } from '../../runtime/src/vm/launch.ts'
import { templateRam } from '../../runtime/src/vm/own-pages.ts'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import { type DeployRequest, LittleCloudError } from '../../sdk/src/index.ts'
import { startCloud, type TestCloud } from '../harness/cloud.ts'

/**
 * An instance of these apps was measured to have 39 MiB of its own, 27 after it was on the disk, beside the 85 MiB of the
 * template that all share. So two fit while one of them starts (85 + 39 + 128), and all nine never do (85 + 9 × 27).
 */
const memoryBudgetMib = 275
const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']
let cloud: TestCloud

before(async () => {
  cloud = await startCloud({ memoryBudgetMib })
})
after(() => cloud?.down())

const deploy = async (app: string, request: Partial<DeployRequest> = {}) =>
  cloud.deploy(app, { image: await ensureExampleImage('hello'), memoryMib: 128, idleMs: 50, ...request })

/**
 * Asks an app; which request it was of those that this program has seen, and where it was woken from. Its HEALTHCHECK,
 * each 5 s that it runs, is counted as well; a program that was started anew begins with 2.
 */
async function ask(app: string) {
  const { status, body, headers } = await cloud.get(app, '/', { headers: { 'little-timing': '1' } })
  assert.equal(status, 200, body)
  return { count: Number(/request (\d+)/.exec(body)?.[1]), from: String(headers['little-from']) }
}

async function instance(app: string) {
  const [one] = await cloud.instances(app)
  return one
}

/** Asks all others in turn until the app is no longer in memory. */
async function pressOut(app: string, others = names.filter((name) => name !== app), deadlineMs = 120_000) {
  const until = Date.now() + deadlineMs
  for (let turn = 0; ; turn++) {
    const state = (await instance(app))?.state
    if (state === 'suspended' || state === undefined) return
    if (Date.now() > until) throw new Error(`${app} is still ${state} after ${turn} requests to others`)
    await ask(others[turn % others.length]!)
    await delay(100)
  }
}

/** Who is suspended when the node counts as many: what the last start has pushed out may be coming back just now. */
async function settled(deadlineMs = 20_000) {
  for (const until = Date.now() + deadlineMs; ; await delay(100)) {
    const suspended = (await cloud.client.ps()).filter(({ state }) => state === 'suspended').map(({ app }) => app)
    const { memory } = (await cloud.client.status()).nodes[0]!
    const { parked, suspended: count } = memory?.states ?? {}
    if (memory && count === suspended.length && parked === names.length - count) return { suspended, memory }
    if (Date.now() > until) throw new Error(`${suspended} suspended, and the node tells ${JSON.stringify(memory)}`)
  }
}

/** Resolves when the app's log has such a line of ours; lines come some 250 ms after what they tell of. */
async function logged(app: string, line: RegExp, deadlineMs = 20_000) {
  for (const until = Date.now() + deadlineMs; ; await delay(100)) {
    const lines = (await Array.fromAsync(cloud.client.logs(app))).filter(({ stream }) => stream === 'system')
    if (lines.some(({ text }) => line.test(text))) return
    if (Date.now() > until) throw new Error(`no line like ${line} in ${JSON.stringify(lines)}`)
  }
}

test('nothing is suspended while memory has room; beyond it, those not asked for the longest time', async () => {
  await deploy('a')
  await deploy('b')
  assert.deepEqual(
    (await cloud.client.ps()).map(({ state }) => state),
    ['parked', 'parked'],
  )
  for (const name of names.slice(2)) await deploy(name)
  const { suspended, memory } = await settled()
  assert.ok(suspended.length >= 2, `suspended: ${suspended}`)
  assert.deepEqual(suspended.toSorted(), names.slice(0, suspended.length))
  assert.ok(memory.usedMib <= memoryBudgetMib, `${memory.usedMib} MiB used`)
})

test('a suspended app wakes as the same instance with the same memory, again and again', async () => {
  const first = await instance('a')
  let { count } = await ask('a')
  for (let round = 0; round < 3; round++) {
    await pressOut('a')
    const woken = await ask('a')
    assert.equal(woken.from, 'suspended')
    assert.ok(woken.count > count, `${woken.count} after ${count}`)
    count = woken.count
  }
  const last = await instance('a')
  assert.deepEqual([last?.id, last?.incarnation], [first?.id, first?.incarnation])
})

test('requests that come while an app is being suspended are all answered', async () => {
  let { count } = await ask('b')
  let requests = 0
  await Promise.all([
    pressOut('a', names.slice(2)),
    (async () => {
      for (; requests < 40; requests++) {
        const { count: now } = await ask('b')
        assert.ok(now > count, `${now} after ${count}`)
        count = now
        await delay(60 + (requests % 7) * 20)
      }
    })(),
  ])
})

test('sleeping apps survive kill -9 of the agent, wherever their memory is, and its successor leaves them in peace', async () => {
  const before = new Map([['c', (await ask('c')).count]])
  await pressOut('c')
  for (const name of names.filter((one) => one !== 'c')) before.set(name, (await ask(name)).count)
  const ids = (await cloud.client.ps()).map(({ id }) => id).sort()
  const { pid } = cloud.role('host')
  cloud.signal('host', 'SIGKILL')
  const until = Date.now() + 60_000
  while (cloud.role('host').pid === pid || cloud.role('host').state !== 'ready') {
    if (Date.now() > until) throw new Error('the agent did not come back')
    await delay(50)
  }
  await delay(2.5 * compareEveryMs) // what looks lost to the reconciler is given up when it is seen twice
  for (const [name, count] of before) {
    const { count: now } = await ask(name)
    assert.ok(now > count, `${name}: ${now} after ${count}`)
  }
  assert.deepEqual((await cloud.client.ps()).map(({ id }) => id).sort(), ids)
  const { suspended, memory } = await settled()
  assert.ok(suspended.length >= 2 && memory.usedMib <= memoryBudgetMib, `${suspended}, ${memory.usedMib} MiB used`)
  assert.equal((await templatesInMemory()).size, 1, 'processes of both agents share the memory of the template')
})

/** What the processes of all instances in memory have for their guests' RAM. */
async function templatesInMemory(): Promise<Set<number>> {
  const folder = join(cloud.dataDir, 'host', 'instances')
  const launched = await Promise.all((await readdir(folder)).map((id) => findLaunched(join(folder, id))))
  const inodes = launched.map(async (one) =>
    one ? (await stat(templateRam(one.pid)).catch(() => undefined))?.ino : undefined,
  )
  return new Set((await Promise.all(inodes)).filter((ino) => ino !== undefined))
}

test('what was damaged on the disk is never used: the app starts anew, and its log says so', async () => {
  await ask('d')
  await ask('d')
  await pressOut('d')
  const id = (await instance('d'))!.id
  const file = await open(join(cloud.dataDir, 'host', 'instances', id, 'suspended'), 'r+')
  await file.write(Buffer.from('damaged'), 0, 7, Math.floor((await file.stat()).size / 2))
  await file.close()
  assert.deepEqual(await ask('d'), { count: 2, from: 'started' }, 'the warm-up was its first request')
  assert.notEqual((await instance('d'))?.id, id)
  await logged('d', /^lost: .*memory is lost, it starts anew: .*checksum/)
})

test('--ephemeral: ended when memory is short, said in its log, started by the next request', async () => {
  await deploy('brief', { ephemeral: true })
  await pressOut('brief', names)
  await logged('brief', /^dropped: memory is short/)
  assert.equal((await ask('brief')).from, 'started')
  await cloud.client.remove('brief')
})

test('--always-parked: never suspended, and refused when its memory cannot be reserved', async () => {
  await deploy('loyal', { alwaysParked: true })
  for (const name of [...names, ...names]) await ask(name)
  assert.deepEqual((await ask('loyal')).from, 'parked')
  await assert.rejects(
    deploy('second', { alwaysParked: true, memoryMib: memoryBudgetMib - 127 }),
    (error) => error instanceof LittleCloudError && error.code === 'placement.no_capacity',
  )
  await cloud.client.remove('loyal')
})

test('a suspended app that is removed leaves nothing on the disk', async () => {
  await pressOut('e')
  const { id } = (await instance('e'))!
  await cloud.client.remove('e')
  assert.ok(!(await readdir(join(cloud.dataDir, 'host', 'instances'))).includes(id))
})
