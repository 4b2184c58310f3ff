import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { startNats, type TestNats } from '../../../test/harness/nats.ts'
import { ask } from '../cluster/ask.ts'
import { Bucket } from '../cluster/bucket.ts'
import { ensureStorage } from '../cluster/storage.ts'
import { publish } from '../cluster/stream.ts'
import { subjects } from '../cluster/subjects.ts'
import { nodeId } from '../core/ids.ts'
import { createLog } from '../core/log.ts'
import { type CostQuery, CostRow } from '../model/cost.ts'
import { Node } from '../model/node.ts'
import { usageHash } from '../model/usage.ts'
import { startBilling } from './billing.ts'
import { testNode } from './node.fixture.ts'

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'littlecloud-billing-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

const announce = (nats: TestNats, publicKey: string) =>
  new Bucket(nats.open(), 'nodes', Node).put('n1', {
    id: nodeId('n1'),
    region: 'here',
    isolation: 'emulated',
    foreignOnEmulated: false,
    accelerator: 'tcg',
    cpus: 2,
    memoryMib: 1024,
    subnet: '10.0.0.0/24',
    holds: { unix: '/none' },
    publicKey,
    epoch: 'x',
  })

/** Asks until the answer is as awaited, for 20 s at the most; gives the last answer. */
async function costs(nats: TestNats, query: CostQuery, awaited: (rows: CostRow[]) => boolean): Promise<CostRow[]> {
  const cluster = nats.open()
  const deadline = Date.now() + 20_000
  for (;;) {
    const options = { schema: z.array(CostRow), deadlineMs: 5_000 }
    const rows = await ask(cluster, subjects.askBilling('cost'), query, options).catch(() => [])
    if (awaited(rows) || Date.now() > deadline) return rows
    await delay(50)
  }
}

test('usage that was published over two kills of NATS counts exactly once, and a deleted read model is rebuilt', async (t) => {
  const nats = await startNats(t)
  const log = createLog('billing')
  const dataDir = folder(t)
  await ensureStorage(nats.open())
  let billing = await startBilling({ nats: nats.config, dataDir }, log)
  const node = testNode('n1')
  await announce(nats, node.publicKey)

  const sender = nats.open()
  let total = 0
  for (let round = 0; round < 6; round++) {
    total += 50
    const sent = node.send(
      sender,
      Array.from({ length: 50 }, () => node.record()),
    )
    if (round % 3 === 1) {
      await nats.kill()
      await nats.start()
    }
    await sent
  }

  const done = (rows: CostRow[]) => rows[0]?.requests === total
  const before = await costs(nats, { by: 'app' }, done)
  assert.deepEqual([before[0]?.requests, before[0]?.runMs], [total, total * 100])

  await billing[Symbol.asyncDispose]()
  rmSync(dataDir, { recursive: true })
  billing = await startBilling({ nats: nats.config, dataDir }, log)
  assert.deepEqual(await costs(nats, { by: 'app' }, done), before)
  await billing[Symbol.asyncDispose]()
})

test('records of a node that is not known yet wait for its key, and forged ones never count', async (t) => {
  const nats = await startNats(t)
  const cluster = nats.open()
  await ensureStorage(cluster)
  const billing = await startBilling({ nats: nats.config, dataDir: folder(t) }, createLog('billing'))
  const node = testNode('n1')
  const first = node.record()
  const { hash: _, signature, ...rest } = node.record()
  const forged = { ...rest, requests: 1_000, egressBytes: 1e12 }
  await publish(cluster, 'usage.n1', [first, { ...forged, hash: usageHash(forged), signature }])
  await announce(nats, node.publicKey)
  const rows = await costs(nats, { by: 'hour' }, (found) => found.length > 0)
  assert.deepEqual(
    rows.map(({ requests, egressBytes }) => [requests, egressBytes]),
    [[1, 100]],
  )
  await billing[Symbol.asyncDispose]()
})
