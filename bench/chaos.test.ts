import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runChaos } from './chaos.ts'

test('ten parts of a cloud are killed under load: no request to a running instance fails, no usage is lost', async (t) => {
  const result = await runChaos({ quick: true, seed: 7, progress: (line) => t.diagnostic(line) })
  t.diagnostic(JSON.stringify(result))
  assert.equal(result.kills, 10)
  assert.deepEqual(result.failures, [])
  assert.deepEqual(result.usage_findings, [])
  assert.deepEqual(result.stray_findings, [])
  assert.equal(result.realtime_threads, 0)
})
