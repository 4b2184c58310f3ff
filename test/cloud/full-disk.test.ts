// The disk below a whole cloud is full for a while. One cloud, on a file system of its own.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { audit } from '../../bench/chaos/ledger.ts'
import { usageRecords } from '../../bench/wake/intervals.ts'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import { LittleCloudError } from '../../sdk/src/index.ts'
import { startCloud, type TestCloud } from '../harness/cloud.ts'
import { SmallDisk } from '../harness/small-disk.ts'

let disk: SmallDisk
let cloud: TestCloud
let hello: string

before(async () => {
  disk = new SmallDisk(2_048)
  cloud = await startCloud({ dataDir: join(disk.dir, 'data') })
  await cloud.deploy('writes', { image: await ensureExampleImage('redis'), port: 6379, maxInstances: 1, idleMs: 300 })
  hello = await ensureExampleImage('hello')
  await cloud.deploy('hello', { image: hello, maxInstances: 1, idleMs: 300 })
})

after(async () => {
  disk?.empty()
  await cloud?.down()
  disk?.[Symbol.dispose]()
})

async function inside(command: string): Promise<string> {
  let said = ''
  const take = (bytes: Uint8Array) => {
    said += Buffer.from(bytes)
  }
  const session = cloud.client.exec('writes', { command: ['sh', '-c', command], stdout: take, stderr: take })
  assert.equal(await session.exited, 0, said)
  return said.trim()
}

const write = 'dd if=/dev/zero of=/data/much bs=1M count=48 conv=fsync 2>/dev/null; cksum </data/much'
const expected = execFileSync('sh', ['-c', 'head -c 48M /dev/zero | cksum'], { encoding: 'utf8' }).trim()

test('a guest that writes to a full disk stands still and says so, others go on; with room again it has lost nothing', async (t) => {
  assert.equal(await inside('redis-cli SET known before'), 'OK')
  await cloud.asleep('writes')
  const [before] = await cloud.instances('writes')
  disk.fill()
  t.diagnostic(`${disk.freeMib} MiB are free`)

  const written = inside(write)
  written.catch(() => {})
  for (const until = Date.now() + 60_000; ; await delay(200)) {
    const { status, body } = await cloud.get('writes')
    if (/the disk of this machine is full/.test(body)) {
      assert.equal(status, 503)
      break
    }
    assert.ok(Date.now() < until, `it says ${status} ${body}`)
  }
  for (let wakes = 0, until = Date.now() + 60_000; wakes < 3; ) {
    await delay(1_000) // who is asleep cannot be asked of this cloud now
    const { status, headers } = await cloud.get('hello')
    assert.equal(status, 200)
    if (headers['little-from'] === 'parked') wakes++
    assert.ok(Date.now() < until, `it woke ${wakes} times`)
  }
  const deploy = () => cloud.deploy('one-more', { image: hello, idleMs: 300 })
  const refused = await deploy().catch((error: LittleCloudError) => error)
  assert.ok(refused instanceof LittleCloudError, 'a deploy is refused')
  t.diagnostic(`a deploy: ${refused.code}: ${refused.message}`)
  assert.notEqual(refused.code, 'internal', refused.message)

  disk.empty()
  assert.equal(await written, expected)
  assert.equal(await inside('redis-cli GET known'), 'before')
  assert.equal((await cloud.instances('writes'))[0]?.id, before?.id)
  await deploy()
  assert.equal((await cloud.get('one-more')).status, 200)
  for (const app of ['writes', 'hello', 'one-more']) await cloud.asleep(app)
  for (const until = Date.now() + 30_000; ; await delay(500)) {
    const { usage_findings } = audit(await usageRecords(cloud.dataDir), [], [], await cloud.client.cost())
    if (usage_findings.length === 0) break
    assert.ok(Date.now() < until, usage_findings.join('; '))
  }
})
