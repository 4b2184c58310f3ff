import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chainWarnings, staleWarnings } from './warnings.ts'

test('a role that goes on from old state, and usage that is missing, broken, refused or waits, is told in words', () => {
  const stale = { role: 'edge', name: 'e-1', text: '# TYPE x gauge\nlittle_edge_stale_seconds 31.7\n' }
  const fresh = { role: 'host', name: 'n-1', text: 'little_host_stale_seconds 0\n' }
  assert.deepEqual(staleWarnings([stale, fresh]), ['edge e-1 has gone on from its last known state for 32 s'])
  const chain = { node: 'n-1', sequence: 9, missing: 0, repeated: 4, broken: 0, refused: 0 }
  assert.deepEqual(chainWarnings({ chains: [chain], waiting: 0 }), [])
  assert.deepEqual(chainWarnings({ chains: [{ ...chain, missing: 1, broken: 2, refused: 3 }], waiting: 4 }), [
    '1 usage records of n-1 never came',
    '2 usage records of n-1 do not continue its chain',
    '3 usage records were refused: n-1 has not signed them',
    '4 messages with usage wait for the key of their node',
  ])
})
