import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runPressure } from './pressure.ts'

test('bench pressure: redis keeps its 1,000 keys each time its neighbours push it out', async (t) => {
  const result = await runPressure({ quick: true, progress: (line) => t.diagnostic(line) })
  assert.deepEqual([result.keys_lost, result.suspensions], [0, 5])
})
