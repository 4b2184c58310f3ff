import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { jetstreamManager } from '@nats-io/jetstream'
import { startBilling } from '../runtime/src/billing/billing.ts'
import { testNode } from '../runtime/src/billing/node.fixture.ts'
import { Bucket } from '../runtime/src/cluster/bucket.ts'
import { startCloud } from '../runtime/src/control/testing/start-cloud.ts'
import { createLog } from '../runtime/src/core/log.ts'
import { Node } from '../runtime/src/model/node.ts'
import { Client } from '../sdk/src/index.ts'
import { little } from '../test/harness/little.ts'
import { startNats } from '../test/harness/nats.ts'

test('usage is verified from the stream and from an export, and whatever was tampered with is named', async (t) => {
  const nats = await startNats(t)
  const cloud = await startCloud(t, nats)
  await using _billing = await startBilling(
    { nats: nats.config, dataDir: join(cloud.dir, 'billing') },
    createLog('billing'),
  )
  const node = testNode('n-test')
  const nodes = new Bucket(cloud.cluster, 'nodes', Node)
  await nodes.change('n-test', (known) => known && { ...known, publicKey: node.publicKey })
  const aMinuteAgoUs = (Date.now() - 60_000) * 1000
  const records = Array.from({ length: 30 }, (_, at) => {
    const startUs = aMinuteAgoUs + at * 1_000_000
    return node.record({ startUs, endUs: startUs + 100_000 })
  })
  for (const at of [0, 10, 20]) await node.send(cloud.cluster, records.slice(at, at + 10))
  const client = new Client(cloud)
  const counted = async (requests: number) => {
    for (const until = Date.now() + 30_000; Date.now() < until; ) {
      const rows = await client.cost().catch(() => [])
      if (rows[0]?.requests === requests) return
    }
    throw new Error(`billing has not counted ${requests} requests`)
  }
  await counted(30)

  const run = (...args: string[]) =>
    little(['verify', 'usage', ...args], { LITTLE_URL: cloud.url, LITTLE_DATA: cloud.dir })
  const file = join(cloud.dir, 'all.usage')
  const right = await run('--export', file)
  assert.equal(right.code, 0, right.out + right.error)
  assert.match(right.out, /^n-test +30 +1 +30 +sha256:/m)
  assert.match(right.out, /✓ they add up to what little cost says, in 1 lines of 1/)
  const away = await little(['verify', 'usage', '--file', file, '--json'], { LITTLE_URL: 'http://127.0.0.1:1' })
  assert.deepEqual([away.code, JSON.parse(away.out).problems], [0, []], 'an export needs no cloud')

  const text = await readFile(file, 'utf8')
  const changed = join(cloud.dir, 'changed.usage')
  const at = text.indexOf('"sequence":17')
  await writeFile(changed, text.slice(0, at) + text.slice(at).replace('"egressBytes":100', '"egressBytes":900'))
  const flipped = await run('--file', changed)
  assert.equal(flipped.code, 2)
  assert.match(
    flipped.out,
    /✗ n-test, record 17: its content is not what its hash was made of\n {2}\{.*"egressBytes":900/,
  )
  assert.match(flipped.error, /usage\.not_as_signed/)

  const manager = await jetstreamManager(await cloud.cluster.connection('test'))
  await manager.streams.deleteMessage('USAGE', 2)
  const removed = await run()
  assert.equal(removed.code, 2)
  assert.match(removed.out, /n-test, record 21: record 11 to 20 are missing before it/)
  assert.match(removed.out, /main\/hello \(run\): .*20 requests by the records, 30 by little cost/)

  const nobody = await run('--file', join(cloud.dir, 'nothing'))
  assert.deepEqual([nobody.code, /there is no file .*nothing/.test(nobody.error)], [1, true])
  assert.equal((await run('--since', 'yesterday')).code, 1)
})
