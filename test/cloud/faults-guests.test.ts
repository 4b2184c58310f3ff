// MicroVMs that hang, that the kernel ends for lack of memory, whose own kernel gives up. One cloud.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { nodeId } from '../../runtime/src/core/ids.ts'
import { hierarchies } from '../../runtime/src/host/cgroup-mounts.ts'
import { shortNode } from '../../runtime/src/host/network-names.ts'
import { findLaunched } from '../../runtime/src/vm/launch.ts'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import { startCloud, type TestCloud } from '../harness/cloud.ts'

let cloud: TestCloud
before(async () => {
  cloud = await startCloud()
  await cloud.deploy('hello', { image: await ensureExampleImage('hello'), maxInstances: 1, idleMs: 300 })
})
after(() => cloud?.down())

async function theInstance(app: string) {
  const { id } = (await cloud.instances(app))[0]!
  const qemu = await findLaunched(join(cloud.dataDir, 'host/instances', id))
  assert.ok(qemu, 'it has a process')
  return { id, qemu }
}

async function until(what: string, holds: () => boolean | Promise<boolean>) {
  for (const deadline = Date.now() + 60_000; !(await holds()); await delay(50))
    assert.ok(Date.now() < deadline, `not within 60 s: ${what}`)
}

const replaced = (app: string, id: string) =>
  until('another instance', async () => {
    const now = await cloud.instances(app)
    return now.length === 1 && now[0]?.id !== id && now[0]?.state === 'parked'
  })

async function said(app: string): Promise<string> {
  const lines: string[] = []
  for await (const { text } of cloud.client.logs(app)) lines.push(text)
  return lines.join('\n')
}

test('a microVM that hangs while it sleeps: the request that wakes it is answered by another one, and it is ended', async (t) => {
  await cloud.asleep('hello')
  const { id, qemu } = await theInstance('hello')
  process.kill(qemu.pid, 'SIGSTOP')
  const asked = Date.now()
  const { status, body } = await cloud.get('hello')
  t.diagnostic(`answered after ${Date.now() - asked} ms`)
  assert.equal(status, 200, body)
  await until('it has ended', () => !qemu.alive)
  await replaced('hello', id)
})

test('a microVM that hangs while it runs is ended, who asked it is answered by another one, and its log says why', async (t) => {
  await cloud.deploy('stays-awake', { image: await ensureExampleImage('hello'), maxInstances: 1, idleMs: 10_000 })
  assert.equal((await cloud.get('stays-awake')).status, 200)
  const { id, qemu } = await theInstance('stays-awake')
  process.kill(qemu.pid, 'SIGSTOP')
  const asked = Date.now()
  const { status, body } = await cloud.get('stays-awake') // on the connection that was kept
  t.diagnostic(`answered after ${Date.now() - asked} ms`)
  assert.equal(status, 200, body)
  assert.ok(!qemu.alive)
  assert.notEqual((await cloud.instances('stays-awake'))[0]?.id, id)
  await until('its log says so', async () => /the microVM of instance .* hangs/.test(await said('stays-awake')))
})

test('a microVM that the host ends for lack of memory is said to be that, and the app goes on with another', async (t) => {
  const tree = (await hierarchies())[0]?.find(({ controllers }) => controllers.includes('memory'))
  if (!tree) return t.skip('no control groups here')
  await cloud.asleep('hello')
  const { id, qemu } = await theInstance('hello')
  const { node } = JSON.parse(await readFile(join(cloud.dataDir, 'cloud.json'), 'utf8')) as { node: string }
  const group = join(tree.path, `littlecloud-${shortNode(nodeId(node))}`, id)
  const limit = join(group, tree.version === 2 ? 'memory.max' : 'memory.limit_in_bytes')
  const usage = join(group, tree.version === 2 ? 'memory.current' : 'memory.usage_in_bytes')
  const isAlive = () => qemu.alive
  const lowered = (bytes: number) =>
    writeFile(limit, String(bytes)).then(
      () => isAlive(),
      () => false, // v1 refuses what it cannot reclaim
    )
  // As little as it may have: the next page it asks for is its last.
  let bytes = Number(await readFile(usage, 'utf8'))
  for (let step = 16 << 20; step >= 4096; step /= 2) while (await lowered(bytes - step)) bytes -= step
  for (let asked = 0; isAlive() && asked < 200; asked++) await cloud.get('hello').catch(() => {})
  assert.ok(!isAlive(), `it goes on with ${bytes} bytes`)
  await replaced('hello', id)
  await until('its log says so', async () => /out of memory on the host/.test(await said('hello')))
})

test('a guest whose kernel gives up is said to be that, and the app goes on with another', async () => {
  await cloud.deploy('panics', { image: await ensureExampleImage('redis'), maxInstances: 1 })
  const { id, qemu } = await theInstance('panics')
  const command = ['sh', '-c', 'echo c > /proc/sysrq-trigger']
  const session = cloud.client.exec('panics', { command, stdout: () => {}, stderr: () => {} })
  await session.exited.catch(() => {})
  await until('it has ended', () => !qemu.alive)
  await replaced('panics', id)
  await until('its log says so', async () => /the kernel in the microVM gave up: /.test(await said('panics')))
})
