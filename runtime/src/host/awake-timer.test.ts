import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { type TestContext, test } from 'node:test'
import type { State } from '../model/instance.ts'
import { AwakeTimer } from './awake-timer.ts'

/** An instance that sleeps and wakes when it is told to, on a clock that the test moves. */
function sleeper(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const instance = Object.assign(new EventEmitter<{ changed: []; broken: [Error] }>(), { state: 'parked' as State })
  const become = (state: State) => {
    instance.state = state
    instance.emit('changed')
  }
  const pass = (ms: number) => {
    now += ms
    t.mock.timers.tick(ms)
  }
  return { timer: new AwakeTimer(instance), become, pass }
}

/** Whether it has ended, once all that follows from it has run. */
async function ended(waiting: Promise<void>): Promise<boolean> {
  return Promise.race([waiting.then(() => true), Promise.resolve().then(() => Promise.resolve().then(() => false))])
}

test('sleep does not count, and what was counted before it does', async (t) => {
  const { timer, become, pass } = sleeper(t)
  const waiting = timer.wait(1_000)
  pass(5_000)
  become('running')
  pass(600)
  become('stopping')
  pass(60_000)
  become('running')
  pass(399)
  assert.equal(await ended(waiting), false)
  pass(1)
  assert.equal(await ended(waiting), true)
})

test('what is due at a wake leaves the first moments to the request', async (t) => {
  const { timer, become, pass } = sleeper(t)
  const waiting = timer.wait(1_000)
  become('running')
  pass(999)
  become('parked')
  become('running')
  pass(249)
  assert.equal(await ended(waiting), false)
  pass(1)
  assert.equal(await ended(waiting), true)
})

test('one that is disposed of never ends', async (t) => {
  const { timer, become, pass } = sleeper(t)
  const waiting = timer.wait(10)
  become('running')
  timer[Symbol.dispose]()
  become('running')
  pass(10_000)
  assert.equal(await ended(waiting), false)
})
