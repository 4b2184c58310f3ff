import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Waits } from './waits.ts'

test('an instance that became ready while an edge waited was started for it', () => {
  const waits = new Waits()
  waits.asked('main.hello', 1_000)
  waits.asked('main.hello', 2_000)
  assert.equal(waits.over('main.hello', 1_500, 2_500), true)
  assert.equal(waits.over('main.hello', 1_500, 2_600), false, 'the wait is over')
})

test('one that was ready before was not', () => {
  const waits = new Waits()
  waits.asked('main.hello', 1_000)
  assert.equal(waits.over('main.hello', 500, 1_100), false)
  assert.equal(waits.over('main.other', 500, 1_100), false)
})

test('who gave up long ago waits no more', () => {
  const waits = new Waits()
  waits.asked('main.hello', 1_000)
  assert.equal(waits.over('main.hello', 3_000, 60_000), false)
})
