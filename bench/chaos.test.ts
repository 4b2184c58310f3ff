import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ChaosResult, runChaos } from './chaos.ts'

describe('ten parts of a cloud are killed under load', () => {
  let result: ChaosResult

  test('no usage is lost or counted twice, and no thread keeps real-time priority', async (t) => {
    result = await runChaos({ quick: true, seed: 7, progress: (line) => t.diagnostic(line) })
    t.diagnostic(JSON.stringify(result))
    assert.equal(result.kills, 10)
    assert.deepEqual(result.usage_findings, [])
    assert.equal(result.realtime_threads, 0)
  })

  test('no request to a running instance fails, and nothing is left over', () => {
    assert.deepEqual(result.failures, [])
    assert.deepEqual(result.stray_findings, [])
  })
})
