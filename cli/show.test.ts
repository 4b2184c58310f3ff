import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, credits, duration } from './show.ts'

test('credits are shown exactly, however many', () => {
  assert.equal(credits('0'), '0.000000')
  assert.equal(credits('1'), '0.000001')
  assert.equal(credits('12345678901234567890'), '12345678901234.567890')
  assert.equal(credits('-1500000'), '-1.500000')
})

test('durations and sizes are shown in the unit that a person would choose', () => {
  assert.deepEqual([0.4, 999, 1_500, 180_000, 10_800_000].map(duration), ['0 ms', '999 ms', '1.5 s', '3 min', '3 h'])
  assert.deepEqual([0, 1023, 1024, 1_572_864].map(bytes), ['0 B', '1023 B', '1.0 KiB', '1.5 MiB'])
})
