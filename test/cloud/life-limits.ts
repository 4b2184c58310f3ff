import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { answered, ask, deploy, runs, settledRecords } from './life-cloud.ts'
import { cloud } from './one-cloud.ts'

interface Slow {
  instance: string
  mostInFlight: number
}
interface Failure {
  error: { code: string; message: string; hint: string }
}

const times = <T>(count: number, make: () => Promise<T>) => Promise.all(Array.from({ length: count }, make))

export const limits = () =>
  describe('many requests at once', { concurrency: true }, () => {
    test('twenty requests for a sleeping app wake it once, and all are answered', async () => {
      await deploy(cloud, 'once', 'life-node', { idleMs: 300, maxInstances: 1, concurrency: { soft: 20, hard: 20 } })
      const before = runs(await settledRecords(cloud, 'once')).length
      const replies = await times(20, () => answered<Slow>(cloud, 'once', '/slow?ms=100'))
      assert.equal(new Set(replies.map(({ value }) => value.instance)).size, 1)
      assert.ok(
        replies.some(({ from }) => from === 'parked'),
        'it was asleep',
      )
      const since = runs(await settledRecords(cloud, 'once')).slice(before)
      assert.deepEqual(
        since.map(({ requests }) => requests),
        [20],
        'one run served them all',
      )
    })

    test('an instance never has more requests at once than the hard limit, and a second one comes beyond the soft one', async () => {
      const limits = { soft: 4, hard: 8 }
      await deploy(cloud, 'limits', 'life-node', { idleMs: 300, maxInstances: 2, spares: 1, concurrency: limits })
      await cloud.waitFor('limits', 2)
      const soft = await times(4, () => answered<Slow>(cloud, 'limits', '/slow?ms=200'))
      assert.equal(new Set(soft.map(({ value }) => value.instance)).size, 1, 'the soft limit fits in one')
      // A wake that takes longer than 25 ms is not waited for: then the first one is filled up.
      const used = new Set<string>()
      for (let round = 0; round < 5 && used.size < 2; round++) {
        await cloud.asleep('limits')
        for (const { value } of await times(8, () => answered<Slow>(cloud, 'limits', '/slow?ms=300')))
          used.add(value.instance)
      }
      assert.equal(used.size, 2, 'beyond it a second one is used')
      const full = await times(40, () => answered<Slow>(cloud, 'limits', '/slow?ms=200'))
      const most = Math.max(...full.map(({ value }) => value.mostInFlight))
      assert.ok(most <= limits.hard, `${most} at once`)
    })

    test('who finds no room within the deadline is told so with a 503', async () => {
      await deploy(cloud, 'narrow', 'life-node', { maxInstances: 1, concurrency: { soft: 1, hard: 1 } })
      const long = answered(cloud, 'narrow', '/slow?ms=33000')
      await running('narrow')
      const { status, value } = await ask<Failure>(cloud, 'narrow', '/')
      assert.deepEqual([status, value.error.code], [503, 'edge.waited_too_long'])
      assert.match(
        value.error.message,
        /had no room for this request within 30 s: narrow has as many instances as it may/,
      )
      await long
    })

    test('a waiting room that is full refuses at once with a 503, and those inside are not harmed', async () => {
      await deploy(cloud, 'crowd', 'life-node', { idleMs: 300, maxInstances: 1, concurrency: { soft: 1, hard: 1 } })
      const inside = answered(cloud, 'crowd', '/slow?ms=8000')
      await running('crowd')
      const waiting = await times(1_050, () => waitInside('crowd')) // the room has 1,000 places
      const began = performance.now()
      const { status, value } = await ask<Failure>(cloud, 'crowd', '/')
      assert.deepEqual([status, value.error.code], [503, 'edge.waiting_room_full'])
      assert.ok(performance.now() - began < 2_000)
      for (const socket of waiting) socket.destroy()
      await inside
      await answered(cloud, 'crowd', '/')
    })
  })

/** Its one instance is at work. */
async function running(app: string) {
  while ((await cloud.instances(app)).every(({ state }) => state !== 'running')) await delay(20)
}

/** A client that has asked and waits; nobody will read its answer. */
async function waitInside(app: string) {
  const socket = connect(cloud.edgePort, '127.0.0.1')
  socket.on('error', () => {}) // it is refused, if it finds no place
  await once(socket, 'connect')
  await new Promise((resolve) => socket.write(`GET / HTTP/1.1\r\nHost: ${app}.localhost\r\n\r\n`, resolve))
  return socket
}
