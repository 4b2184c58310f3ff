import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { startNats } from '../../../test/harness/nats.ts'
import { Bucket } from './bucket.ts'
import { CachedBucket } from './cached-bucket.ts'
import { BucketWatch, type Change } from './watch.ts'

const Value = z.object({ n: z.number() })
type Told = Change<z.infer<typeof Value>>

/** What was told so far, and a way to wait for more of it. */
function listener() {
  const told: string[] = []
  const news = new EventEmitter()
  return {
    told,
    onChange: (change: Told) => {
      told.push(change.type === 'put' ? `${change.key}=${change.value.n}` : `-${change.key}`)
      news.emit('news')
    },
    async until(last: string, deadlineMs = 10_000) {
      const signal = AbortSignal.timeout(deadlineMs)
      while (!told.includes(last)) await once(news, 'news', { signal })
    },
  }
}

test('a watch tells what is there and then each change', async (t) => {
  const nats = await startNats(t)
  const bucket = new Bucket(nats.open(), 'apps', Value)
  await bucket.put('a', { n: 1 })
  await bucket.put('b', { n: 1 })
  await bucket.delete('b')
  const { told, until, onChange } = listener()
  const watch = new BucketWatch(bucket, { onChange })
  await watch.ready()
  assert.deepEqual(told, ['a=1'])
  await bucket.put('a', { n: 2 })
  await bucket.delete('a')
  await until('-a')
  assert.deepEqual(told, ['a=1', 'a=2', '-a'])
  await watch.stop()
})

test('after NATS was killed and came back a watch tells exactly what changed meanwhile', async (t) => {
  const nats = await startNats(t)
  const cluster = nats.open()
  const bucket = new Bucket(cluster, 'apps', Value)
  for (const key of ['same', 'changed', 'deleted']) await bucket.put(key, { n: 1 })
  const { told, until, onChange } = listener()
  const watch = new BucketWatch(bucket, { onChange })
  await watch.ready()
  const writer = new Bucket(nats.open('writer'), 'apps', Value)
  told.length = 0
  const away = new Promise((resolve) => cluster.onLink(resolve))
  await nats.kill()
  await away
  assert.ok(watch.staleSince === undefined || watch.staleSince > 0)
  await nats.start()
  await writer.put('changed', { n: 2 })
  await writer.delete('deleted')
  await writer.put('new', { n: 1 })
  await Promise.all([until('-deleted'), until('changed=2'), until('new=1')])
  assert.deepEqual(told.toSorted(), ['-deleted', 'changed=2', 'new=1'])
  await watch.stop()
})

test('a value that cannot be read leaves what was known before', async (t) => {
  const nats = await startNats(t)
  const cluster = nats.open()
  const bucket = new Bucket(cluster, 'apps', Value)
  await bucket.put('a', { n: 1 })
  const { told, until, onChange } = listener()
  const watch = new BucketWatch(bucket, { onChange })
  await watch.ready()
  await new Bucket(cluster, 'apps', z.string()).put('a', 'nonsense')
  await bucket.put('b', { n: 1 })
  await until('b=1')
  assert.deepEqual(told, ['a=1', 'b=1'])
  assert.equal(watch.value('a')?.n, 1)
})

test('with NATS away a cached bucket starts from disk and says since when it is stale', async (t) => {
  const nats = await startNats(t)
  const dir = await mkdtemp(join(tmpdir(), 'littlecloud-cached-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  const file = join(dir, 'apps.json')
  const first = await CachedBucket.open(new Bucket(nats.open(), 'apps', Value), { file, onChange: () => {} })
  await first.ready()
  assert.equal(first.staleSince, undefined)
  await new Bucket(nats.open(), 'apps', Value).put('a', { n: 1 })
  while (!first.value('a')) await new Promise(setImmediate)
  const before = Date.now()
  await first.close()
  await nats.kill()

  const { told, until, onChange } = listener()
  const second = await CachedBucket.open(new Bucket(nats.open(), 'apps', Value), { file, onChange })
  assert.deepEqual(told, ['a=1'])
  assert.ok(second.staleSince !== undefined && second.staleSince >= before - 1_000 && second.staleSince <= Date.now())

  await nats.start()
  await second.ready(10_000)
  assert.equal(second.staleSince, undefined)
  assert.deepEqual(told, ['a=1'], 'nothing changed, so nothing is told again')
  await new Bucket(nats.open(), 'apps', Value).put('a', { n: 2 })
  await until('a=2')
  await second.close()

  await writeFile(file, (await readFile(file, 'utf8')).replace('"n":2', '"n":3'))
  await nats.kill()
  const third = listener()
  const damaged = await CachedBucket.open(new Bucket(nats.open(), 'apps', Value), { file, onChange: third.onChange })
  assert.deepEqual(third.told, [], 'a damaged file is not believed')
  assert.equal(damaged.staleSince, 0)
  await damaged.close()
})
