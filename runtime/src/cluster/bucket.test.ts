import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { startNats } from '../../../test/harness/nats.ts'
import { Bucket } from './bucket.ts'
import { ClusterAway, Conflict, KeyExists, Unreadable } from './errors.ts'
import { write } from './write.ts'

const Value = z.object({ n: z.number() })

test('a bucket keeps values under keys, and compare-and-set lets one of two writers win', async (t) => {
  const nats = await startNats(t)
  const apps = new Bucket(nats.open(), 'apps', Value)
  const revision = await apps.create('main.hello', { n: 1 })
  await assert.rejects(apps.create('main.hello', { n: 2 }), KeyExists)

  const outcomes = await Promise.allSettled([2, 3].map((n) => apps.update('main.hello', { n }, revision)))

  assert.deepEqual(outcomes.map((outcome) => outcome.status).sort(), ['fulfilled', 'rejected'])
  const lost = outcomes.find((outcome) => outcome.status === 'rejected')
  assert.ok(lost?.status === 'rejected' && lost.reason instanceof Conflict)

  await apps.delete('main.hello')
  assert.equal(await apps.get('main.hello'), undefined)
  await apps.create('main.hello', { n: 4 })
  assert.equal((await apps.get('main.hello'))?.value.n, 4)
})

test('ten writers that change one key at once lose no change', async (t) => {
  const nats = await startNats(t)
  const apps = new Bucket(nats.open(), 'apps', Value)
  await Promise.all(Array.from({ length: 10 }, () => apps.change('k', (value) => ({ n: (value?.n ?? 0) + 1 }))))
  assert.equal((await apps.get('k'))?.value.n, 10)
})

test('a value that does not fit its schema is reported, with its key', async (t) => {
  const nats = await startNats(t)
  const cluster = nats.open()
  await new Bucket(cluster, 'apps', z.string()).put('k', 'not a number')
  await assert.rejects(new Bucket(cluster, 'apps', Value).get('k'), (error: Error) => {
    assert.ok(error instanceof Unreadable)
    return error.message.startsWith('k in apps cannot be read')
  })
})

test('a repeated message with the same id is stored once', async (t) => {
  const nats = await startNats(t)
  const cluster = nats.open()
  await new Bucket(cluster, 'apps', Value).ensure()
  const send = () => write(cluster, '$KV.apps.k', Buffer.from('{"n":1}'), { messageId: 'same' })
  const first = await send()
  const second = await send()
  assert.equal(second.sequence, first.sequence)
  assert.ok(second.duplicate)
})

test('a compare-and-set that was cut off by a killed NATS is carried out once', async (t) => {
  const nats = await startNats(t)
  const apps = new Bucket(nats.open(), 'apps', Value)
  const revision = await apps.put('k', { n: 1 })
  nats.signal('SIGSTOP') // takes the request without answering it
  const update = apps.update('k', { n: 2 }, revision)
  await nats.kill()
  await nats.start()
  const next = await update
  assert.deepEqual(await apps.get('k'), { key: 'k', value: { n: 2 }, revision: next })
})

test('while NATS is away a question fails at its deadline, saying so', async (t) => {
  const nats = await startNats(t)
  const cluster = nats.open()
  await cluster.connection('the test')
  const away = new Promise((resolve) => cluster.onLink(resolve))
  await nats.kill()
  await away
  await assert.rejects(cluster.connection('apps', 50), ClusterAway)
})
