import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runDensity } from './density.ts'

describe('bench density', () => {
  test('a few apps: all answer, from memory and from the disk', async (t) => {
    const result = await runDensity({ quick: true, apps: undefined, progress: (line) => t.diagnostic(line) })
    assert.equal(result.parked + result.suspended, result.apps)
    assert.ok(result.suspended >= 1, JSON.stringify(result))
    assert.equal(result.failed, 0)
    assert.ok((result.by_tier.parked?.share ?? 0) > 0, JSON.stringify(result.by_tier))
    assert.ok((result.by_tier.suspended?.share ?? 0) > 0, JSON.stringify(result.by_tier))
    for (const mib of Object.values(result.mib_per_parked)) assert.ok(mib > 1 && mib < 200, String(mib))
  })
})
