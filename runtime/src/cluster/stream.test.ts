import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { startNats } from '../../../test/harness/nats.ts'
import { ensureStorage } from './storage.ts'
import { publish, read } from './stream.ts'

const numbers = { stream: 'EVENTS', filter: 'events.>', schema: z.number() } as const

test('what is published while a reader follows arrives once and in order, also over a kill -9 of NATS', async (t) => {
  const nats = await startNats(t)
  const cluster = nats.open()
  await ensureStorage(cluster)
  await ensureStorage(cluster) // harmless to repeat
  const got: number[] = []
  const reading = (async () => {
    for await (const { value } of read(nats.open('reader'), { ...numbers, start: { at: 'first' }, follow: true })) {
      got.push(value)
      if (value === 29) return
    }
  })()
  for (let n = 0; n < 30; n++) {
    const sent = publish(cluster, 'events.main.hello', n, { messageId: `n${n}`, deadlineMs: 20_000 })
    if (n === 15) {
      await nats.kill()
      await nats.start()
    }
    await sent
  }
  await reading
  assert.deepEqual(
    got,
    Array.from({ length: 30 }, (_, n) => n),
  )
})

test('a reader that does not follow ends after what is there, goes on from a position, and skips the unreadable', async (t) => {
  const nats = await startNats(t)
  const cluster = nats.open()
  await ensureStorage(cluster)
  const all = () => read(cluster, { ...numbers, start: { at: 'first' }, follow: false })
  assert.deepEqual(await Array.fromAsync(all()), [])
  for (const value of [1, 'two', 3]) await publish(cluster, 'events.main.hello', value)

  const unreadable: number[] = []
  const rest = read(cluster, {
    ...numbers,
    start: { at: 'sequence', sequence: 2 },
    follow: false,
    onUnreadable: (sequence) => unreadable.push(sequence),
  })

  assert.deepEqual(
    (await Array.fromAsync(all())).map(({ value }) => value),
    [1, 3],
  )
  assert.deepEqual(
    (await Array.fromAsync(rest)).map(({ sequence }) => sequence),
    [3],
  )
  assert.deepEqual(unreadable, [2])
})
