import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IdleCountdown } from './idle.ts'

test('it ends once, when nothing happened for as long as was said, counted from the last rest', async () => {
  const ended = Promise.withResolvers<number>()
  let lastRest = performance.now()
  const countdown = new IdleCountdown(60, () => ended.resolve(performance.now() - lastRest))
  countdown.rest(lastRest)
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    countdown.busy()
    lastRest = performance.now()
    countdown.rest(lastRest)
  }
  assert.ok((await ended.promise) >= 60)
})

test('it does not end while something goes on, nor after it was stopped', async () => {
  let ended = 0
  const busy = new IdleCountdown(5, () => ended++)
  busy.rest(performance.now())
  busy.busy()
  const stopped = new IdleCountdown(5, () => ended++)
  stopped.rest(performance.now())
  stopped.stop()
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.equal(ended, 0)
})
