import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runTiers } from './tiers.ts'

test('an app answers from every tier, and suspended it takes no memory', async (t) => {
  const { apps, together } = await runTiers({ quick: true, progress: (line) => t.diagnostic(line) })
  for (const { name, samples, parts_ms, suspended_ms, parked_mib, suspended_mib } of apps) {
    assert.equal(samples, 3, name)
    assert.ok(suspended_ms.p50 >= parts_ms.guest.p50, name)
    assert.ok(suspended_mib.ram > 0 && suspended_mib.ram < parked_mib.own, `${name}: only its own pages are written`)
  }
  assert.ok(together.mib_each.guest_own < 32, 'a woken instance does not take its template for its own')
})
