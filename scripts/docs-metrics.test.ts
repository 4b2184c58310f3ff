import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { metrics, page, written } from './docs-metrics.ts'

test('docs/metrics.md lists the metrics that there are (else: node scripts/docs-metrics.ts)', async () => {
  assert.equal(readFileSync(page, 'utf8'), await written())
  assert.ok((await metrics()).length > 30)
})

test("names follow Prometheus' conventions: base units, and counters end with _total", async () => {
  for (const { name, type } of await metrics()) {
    assert.match(name, /^(little|process)_[a-z_]+$/)
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    assert.doesNotMatch(name, /_(ms|mib|kib)(_|$)/, name)
  }
})
