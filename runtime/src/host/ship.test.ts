import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { startNats } from '../../../test/harness/nats.ts'
import { ensureStorage } from '../cluster/storage.ts'
import { read } from '../cluster/stream.ts'
import { nodeId } from '../core/ids.ts'
import { UsageRecord } from '../model/usage.ts'
import { Meter } from './meter.ts'
import { UsageSender } from './usage-sender.ts'

test('what a node metered reaches the stream once and in order, over kills of NATS', async (t) => {
  const nats = await startNats(t)
  const cluster = nats.open()
  await ensureStorage(cluster)
  const dir = mkdtempSync(join(tmpdir(), 'littlecloud-sender-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const meter = Meter.open({ dir, node: 'n1', isolation: 'emulated' })
  const sender = new UsageSender({ meter, cluster, node: nodeId('n1') })
  const sequences: number[] = []
  const options = { stream: 'USAGE', filter: 'usage.n1', schema: z.array(UsageRecord) } as const
  const reading = (async () => {
    for await (const { value } of read(nats.open(), { ...options, start: { at: 'first' }, follow: true })) {
      sequences.push(...value.map(({ sequence }) => sequence))
      if (sequences.length >= 3_000) return
    }
  })()
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 1_000; n++) {
      const startUs = round * 1e9 + n
      const start = { team: 'main', app: 'a', release: 1, instance: 'i', incarnation: 1, kind: 'run' as const }
      const interval = meter.begin({ ...start, vcpus: 1, memoryMib: 1, startUs })
      interval.end({ endUs: startUs + 1, edges: [], holds: [], egressBytes: 0, requests: 0 })
    }
    if (round < 2) {
      await nats.kill()
      await nats.start()
    }
  }
  await reading
  await sender.stop()
  assert.deepEqual(
    sequences,
    Array.from({ length: 3_000 }, (_, i) => i + 1),
  )
  assert.deepEqual(meter.progress, { closed: 3_000, acknowledged: 3_000 })
  meter.close()
})
