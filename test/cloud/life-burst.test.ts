import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { startCloud, type TestCloud } from '../harness/cloud.ts'
import { answered, ask, deploy, runs, settledRecords } from './life-cloud.ts'

let cloud: TestCloud
before(async () => {
  cloud = await startCloud()
})
after(() => cloud?.down())

interface Slow {
  instance: string
  mostInFlight: number
}
interface Failure {
  error: { code: string; message: string; hint: string }
}

const times = <T>(count: number, make: () => Promise<T>) => Promise.all(Array.from({ length: count }, make))

describe('many requests at once', { concurrency: true }, () => {
  test('twenty requests for a sleeping app wake it once, and all are answered', async () => {
    await deploy(cloud, 'once', 'life-node', { idleMs: 300, maxInstances: 1, concurrency: { soft: 20, hard: 20 } })
    const before = runs(await settledRecords(cloud, 'once')).length
    const replies = await times(20, () => answered<Slow>(cloud, 'once', '/slow?ms=100'))
    assert.equal(new Set(replies.map(({ value }) => value.instance)).size, 1)
    assert.deepEqual(new Set(replies.map(({ from }) => from)), new Set(['parked']))
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
    await cloud.asleep('limits')
    const spread = await times(8, () => answered<Slow>(cloud, 'limits', '/slow?ms=500'))
    assert.equal(new Set(spread.map(({ value }) => value.instance)).size, 2, 'beyond it a second one is used')
    for (const { value } of spread) assert.ok(value.mostInFlight <= limits.soft, `${value.mostInFlight} at once`)
    const full = await times(40, () => answered<Slow>(cloud, 'limits', '/slow?ms=200'))
    const most = Math.max(...full.map(({ value }) => value.mostInFlight))
    assert.ok(most > limits.soft && most <= limits.hard, `${most} at once`)
  })

  test('who finds no room within the deadline is told so with a 503', async () => {
    await deploy(cloud, 'narrow', 'life-node', { maxInstances: 1, concurrency: { soft: 1, hard: 1 } })
    const long = answered(cloud, 'narrow', '/slow?ms=33000')
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
    const inside = answered(cloud, 'crowd', '/slow?ms=4000')
    const waiting = await times(1_000, () => waitInside('crowd'))
    const began = performance.now()
    const { status, value } = await ask<Failure>(cloud, 'crowd', '/')
    assert.deepEqual([status, value.error.code], [503, 'edge.waiting_room_full'])
    assert.ok(performance.now() - began < 2_000)
    for (const socket of waiting) socket.destroy()
    await inside
    await answered(cloud, 'crowd', '/')
  })
})

/** A client that has asked and waits; nobody will read its answer. */
async function waitInside(app: string) {
  const socket = connect(cloud.edgePort, '127.0.0.1')
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  await new Promise((resolve) => socket.write(`GET / HTTP/1.1\r\nHost: ${app}.localhost\r\n\r\n`, resolve))
  return socket
}
