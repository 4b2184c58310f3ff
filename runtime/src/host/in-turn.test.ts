import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InTurn } from './in-turn.ts'

test('each comes once a round, in at most as many steps as asked for', () => {
  const numbers = Array.from({ length: 25 }, (_, index) => index)
  const turn = new InTurn(() => numbers, 10)
  const steps = Array.from({ length: 9 }, () => turn.next())
  assert.deepEqual(steps.flat(), numbers)
  assert.ok(steps.every((step) => step.length <= 3))
  assert.deepEqual(turn.next(), [0, 1, 2], 'and then anew')
})

test('nothing comes of nothing, and what is new comes in the next round', () => {
  const names: string[] = []
  const turn = new InTurn(() => names, 20)
  assert.deepEqual(turn.next(), [])
  names.push('a')
  assert.deepEqual(turn.next(), ['a'])
})
