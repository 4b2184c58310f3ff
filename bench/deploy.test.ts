import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runDeploy } from './deploy.ts'

test('users who ask during five deploys and two rollbacks notice none of them', async (t) => {
  const result = await runDeploy({ quick: true, progress: (line) => t.diagnostic(line) })
  t.diagnostic(JSON.stringify(result))
  assert.deepEqual(result.failures, [])
  assert.deepEqual([result.failed, result.untimely, result.deploys, result.rollbacks], [0, 0, 5, 2])
  assert.ok(result.requests >= 50, `${result.requests} requests`)
})
