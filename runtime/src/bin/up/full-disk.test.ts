import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FullDisk } from './full-disk.ts'

test('a disk that was never full, or has little room still, ends nothing', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let [freeMib, told] = [1_000, 0]
  using _ = new FullDisk(
    '',
    () => told++,
    async () => freeMib,
  )
  for (const [free, after] of [
    [1_000, 0],
    [30, 0],
    [1, 0],
    [30, 0],
    [64, 1],
    [1_000, 1],
  ] as const) {
    freeMib = free
    t.mock.timers.tick(1_000)
    await new Promise(setImmediate)
    assert.equal(told, after, `${free} MiB are free`)
  }
})
