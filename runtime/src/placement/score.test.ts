import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../core/ids.ts'
import { type Candidate, rank } from './score.ts'

const node = (id: string, freeMib: number, load = 0): Candidate => ({ id: nodeId(id), memoryMib: 1000, freeMib, load })
const ids = (nodes: Candidate[]) => nodes.map(({ id }) => id)

test('a node without enough free memory is never chosen', () => {
  assert.deepEqual(ids(rank([node('n-a', 100), node('n-b', 300)], { memoryMib: 256 })), ['n-b'])
})

test('the emptier node comes first, a busy one counts for less', () => {
  assert.deepEqual(ids(rank([node('n-a', 500), node('n-b', 700)], { memoryMib: 256 })), ['n-b', 'n-a'])
  assert.deepEqual(ids(rank([node('n-a', 500), node('n-b', 700, 1)], { memoryMib: 256 })), ['n-a', 'n-b'])
})

test('equal nodes are ranked by id, whatever their order', () => {
  assert.deepEqual(ids(rank([node('n-b', 500), node('n-a', 500)], { memoryMib: 1 })), ['n-a', 'n-b'])
})
