import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InFlight } from './in-flight.ts'

test('callers of one key share one piece of work, and the next caller begins anew', async () => {
  const inFlight = new InFlight<number>()
  let begun = 0
  const work = async () => ++begun
  assert.deepEqual(await Promise.all([1, 2, 3].map(() => inFlight.share('a', undefined, work))), [1, 1, 1])
  assert.equal(await inFlight.share('a', undefined, work), 2)
})

test('a caller that gives up leaves the others theirs; the last one to leave ends the work', async () => {
  const inFlight = new InFlight<string>()
  const { promise, resolve } = Promise.withResolvers<string>()
  let ended: AbortSignal | undefined
  const begin = (signal: AbortSignal) => {
    ended = signal
    return promise
  }
  const [first, second] = [new AbortController(), new AbortController()]
  const a = inFlight.share('k', first.signal, begin)
  const b = inFlight.share('k', second.signal, begin)
  first.abort(new Error('gone'))
  await assert.rejects(a, /gone/)
  assert.equal(ended?.aborted, false)
  second.abort(new Error('gone too'))
  await assert.rejects(b, /gone too/)
  assert.equal(ended?.aborted, true)
  resolve('late')
})

test('a failure reaches everyone who waits, and is not remembered', async () => {
  const inFlight = new InFlight<string>()
  const fail = () => Promise.reject(new Error('broken'))
  const both = await Promise.allSettled([inFlight.share('k', undefined, fail), inFlight.share('k', undefined, fail)])
  assert.deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  assert.equal(await inFlight.share('k', undefined, async () => 'fine'), 'fine')
})
