import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jetstreamManager } from '@nats-io/jetstream'
import { z } from 'zod'
import { startNats } from '../../../test/harness/nats.ts'
import { Bucket, bucketStream } from './bucket.ts'
import { list } from './list.ts'

test('lists leave nothing behind in NATS, which takes 1,000 readers of a bucket and no more', async (t) => {
  const cluster = (await startNats(t)).open()
  const bucket = new Bucket(cluster, 'hostnames', z.string())
  for (let count = 0; count < 10; count++) {
    assert.equal((await list(bucket)).length, Math.min(1, count))
    if (count === 0) await bucket.put('a', 'value')
  }
  const manager = await jetstreamManager(await cluster.connection('test'))
  const readers = async () => (await manager.streams.info(bucketStream('hostnames'))).state.consumer_count
  for (const until = Date.now() + 5_000; (await readers()) > 0; ) assert.ok(Date.now() < until, 'readers stay')
})
