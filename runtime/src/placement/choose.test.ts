import assert from 'node:assert/strict'
import { test } from 'node:test'
import { choose } from './choose.ts'

const node = (name: string, load: number | undefined, ready = 0, freeMib = 0) => ({ node: name, load, ready, freeMib })

test('of two nodes the less busy one is taken, of equals the emptier', () => {
  for (const draw of [0, 0.99]) {
    assert.equal(
      choose([node('a', 0.9), node('b', 0.1)], () => draw),
      'b',
    )
    assert.equal(
      choose([node('a', 0.5, 0, 100), node('b', undefined, 0, 200)], () => draw),
      'b',
    )
  }
})

test('a node that has the app ready comes before an idle one', () => {
  assert.equal(choose([node('a', 0.9, 1), node('b', 0)]), 'a')
})

test('no node, no choice', () => {
  assert.equal(choose([]), undefined)
})
