import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { FairPriority, type Priority } from './fair-priority.ts'
import { lowerOwnMainThread, raiseOwnMainThread } from './priority.ts'

const said = (answers: boolean[] = []): Priority & { calls: string[] } => {
  const calls: string[] = []
  return {
    calls,
    raise: () => calls.push('raise') > 0 && (answers.shift() ?? true),
    lower: () => calls.push('lower') > 0,
  }
}

test('a saturated thread goes down at once and comes up again only after a long quiet time', () => {
  const priority = said()
  using fair = new FairPriority(priority)
  fair.look(0.3, 1_000)
  fair.look(0.9, 2_000)
  fair.look(0.2, 3_000)
  fair.look(0.9, 7_000)
  assert.deepEqual(priority.calls, ['raise', 'lower'])
  fair.look(0.2, 7_100)
  assert.deepEqual(priority.calls, ['raise', 'lower', 'raise'])
  assert.equal(fair.raised, true)
})

test('a machine that refuses real-time priority is asked once', () => {
  const priority = said([false])
  using fair = new FairPriority(priority)
  assert.equal(fair.raised, false)
  assert.deepEqual(priority.calls, ['raise'])
})

/** Field 41 of proc_pid_stat(5): 2 is SCHED_RR, 0 is normal. */
const policy = () => {
  const stat = readFileSync('/proc/self/stat', 'latin1')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38])
}

test('the kernel takes the main thread up and down', (context) => {
  if (!raiseOwnMainThread()) return context.skip('real-time priority is refused here')
  assert.equal(policy(), 2)
  assert.equal(lowerOwnMainThread(), true)
  assert.equal(policy(), 0)
})
