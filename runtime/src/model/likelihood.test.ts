import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Habit, likelihood, noHabit, woken } from './likelihood.ts'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
const now = 100 * day + 10 * hour + 30 * minute

const after = (...wakes: number[]): Habit => wakes.toSorted((a, b) => a - b).reduce(woken, noHabit)
const within = (value: number, from: number, to: number) => assert.ok(value >= from && value <= to, String(value))

test('an app that was never woken is expected never', () => {
  assert.equal(likelihood(noHabit, now), 0)
})

test('of two apps woken as often, the one woken last is likelier', () => {
  assert.ok(likelihood(after(now - minute), now) > likelihood(after(now - 10 * minute), now))
})

test('of two apps woken at the same time last, the one woken more often is likelier', () => {
  const often = after(...Array.from({ length: 10 }, (_, index) => now - (index + 1) * minute))
  assert.ok(likelihood(often, now) > 5 * likelihood(after(now - minute), now))
})

test('an app woken every minute for hours is expected about sixty times in the next hour', () => {
  within(likelihood(after(...Array.from({ length: 300 }, (_, index) => now - index * minute)), now), 50, 85)
})

test('an app woken each day at nine is expected shortly before nine, not at four in the morning', () => {
  const daily = after(...Array.from({ length: 30 }, (_, index) => 100 * day - index * day + 9 * hour + 5 * minute))
  const nextDay = 101 * day
  within(likelihood(daily, nextDay + 8 * hour + 55 * minute), 0.7, 1.1)
  assert.ok(likelihood(daily, nextDay + 4 * hour) < 0.01)
  within(likelihood(daily, nextDay + 9 * hour), 0.7, 1.1)
})

test('a schedule that is no longer kept is forgotten within weeks', () => {
  const daily = after(...Array.from({ length: 30 }, (_, index) => 100 * day - index * day + 9 * hour))
  assert.ok(likelihood(daily, 150 * day + 9 * hour) < 0.01)
})

test('a clock that was set back breaks nothing', () => {
  within(likelihood(after(now), now - hour), 0, 10)
  within(likelihood(woken(after(now), now - hour), now), 0, 10)
})
