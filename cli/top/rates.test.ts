import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Top, TopApp } from '../../sdk/src/index.ts'
import { percentile, rates } from './rates.ts'

const boundsMs = [1, 10, 100]
const app = (name: string, change: Partial<TopApp> = {}): TopApp => ({
  ...{ name, state: 'live', release: 1, instances: { parked: 1 }, memoryMib: 256 },
  ...{ requests: 0, wakes: 0, firstByte: [0, 0, 0, 0], microcreditsThisHour: '0', ...change },
})
const top = (at: number, ...apps: TopApp[]): Top => ({ at, boundsMs, apps })

test('rates are what was counted between two looks, the busiest app first', () => {
  const before = top(0, app('a'), app('b', { requests: 100, wakes: 5, firstByte: [90, 10, 0, 0] }))
  const after = top(
    2_000,
    app('a'),
    app('b', { requests: 120, wakes: 6, firstByte: [90, 29, 0, 1], instances: { running: 2, stopping: 1 } }),
  )
  const [b, a] = rates(before, after)
  assert.deepEqual([b?.name, b?.requestsPerS, b?.wakesPerMin, b?.p50Ms, b?.p99Ms], ['b', 10, 30, 10, Infinity])
  assert.deepEqual([b?.running, b?.parked, b?.others], [2, 0, 1])
  assert.deepEqual([a?.requestsPerS, a?.p50Ms], [0, undefined])
})

test('an edge that was started again counts from nothing, and so does an app that is new', () => {
  const before = top(0, app('a', { requests: 1_000, firstByte: [1_000, 0, 0, 0] }))
  const after = top(1_000, app('a', { requests: 10, firstByte: [10, 0, 0, 0] }), app('new', { requests: 3 }))
  assert.deepEqual(
    rates(before, after).map(({ requestsPerS }) => requestsPerS),
    [10, 3],
  )
})

test('a percentile is the bound of the range it lies in', () => {
  assert.equal(percentile([50, 50, 0, 0], boundsMs, 0.5), 1)
  assert.equal(percentile([49, 51, 0, 0], boundsMs, 0.5), 10)
  assert.equal(percentile([99, 0, 1, 0], boundsMs, 0.99), 1)
  assert.equal(percentile([0, 0, 0, 0], boundsMs, 0.5), undefined)
})
