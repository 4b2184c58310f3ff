import assert from 'node:assert/strict'
import { test } from 'node:test'
import { can, type Event, IllegalMove, moves, type State, step } from './instance.ts'

test('an instance that fell asleep is as it was before it woke', () => {
  const day: Event[] = ['start', 'ready', 'wake', 'letGo', 'stopped']
  assert.equal(day.reduce<State>(step, 'stored'), 'parked')
})

test('a request that comes while an instance is stopping wins over sleep', () => {
  assert.equal(step('stopping', 'request'), 'running')
})

test('a move that is not in the table is refused, and says which', () => {
  assert.equal(can('stored', 'wake'), false)
  assert.throws(() => step('stored', 'wake'), new IllegalMove('stored', 'wake'))
})

test('every state can be left, and every state but stored can fail or is what failing leads to', () => {
  for (const [state, leads] of Object.entries(moves) as [State, object][]) {
    assert.ok(Object.keys(leads).length > 0, state)
    assert.ok(state === 'stored' || state === 'broken' || can(state, 'failed'), state)
  }
})
