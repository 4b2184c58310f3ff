import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { percentiles } from '../../bench/statistics.ts'
import { answered, type Clocks, deploy } from './life-cloud.ts'
import { cloud } from './one-cloud.ts'

/** The cloud's promise for the clock that the first handler after a wake sees. */
const clockToleranceMs = 20

/** A request for an app that sleeps, and how far its handler's clock lay outside of what the client saw pass. */
async function wakeAndLook(app: string, path: string, method = 'GET') {
  const before = Date.now()
  const { value, from } = await answered<Clocks>(cloud, app, path, { method })
  const after = Date.now()
  return { from, ...value, outsideMs: Math.max(0, before - value.now, value.now - after), tookMs: after - before }
}

describe('memory, clocks and kept connections over many sleeps', { concurrency: true }, () => {
  test('after 60 s asleep the first handler sees the time of now, and an interval timer does not catch up', async (t) => {
    const apps = Array.from({ length: 4 }, (_, index) => `sleeper-${index}`)
    await Promise.all(apps.map((app) => deploy(cloud, app, 'life-node', { idleMs: 300 })))
    await Promise.all(
      apps.map(async (app) => {
        const evening = await wakeAndLook(app, '/clock')
        await delay(60_000)
        const morning = await wakeAndLook(app, '/clock')
        const { value: noon } = await answered<Clocks>(cloud, app, '/slow?ms=1500')
        t.diagnostic(
          `${app}: ${morning.outsideMs} ms off, ${morning.ticks - evening.ticks} ticks asleep, ${noon.ticks - morning.ticks} in the 1.5 s after`,
        )
        assert.equal(morning.from, 'parked')
        assert.ok(morning.outsideMs <= clockToleranceMs, `the clock was ${morning.outsideMs} ms off`)
        assert.ok(morning.now - evening.now >= 59_000, 'the wall clock went on')
        assert.ok(morning.monotonicMs - evening.monotonicMs < 2_000, 'the monotonic clock stood still')
        const ranMs = noon.monotonicMs - evening.monotonicMs
        assert.ok(
          noon.ticks - evening.ticks <= Math.ceil(ranMs / 1_000),
          `${noon.ticks} ticks in ${ranMs} ms of running`,
        )
      }),
    )
  })

  test('a counter and megabytes of RAM are right in each of 200 sleeps', async () => {
    await deploy(cloud, 'memory', 'life-node', { idleMs: 50 })
    const first = await answered<{ instance: string }>(cloud, 'memory', '/')
    for (let expected = 1; expected <= 200; expected++) {
      await cloud.asleep('memory')
      const { value, from } = await answered<{ right: boolean; count: number; instance: string }>(
        cloud,
        'memory',
        '/ram',
      )
      assert.deepEqual(
        [value.count, value.right, value.instance, from],
        [expected, true, first.value.instance, 'parked'],
      )
    }
  })

  test('200 POSTs after pauses around the 2 s for which a Node app keeps connections are each executed once', async (t) => {
    const apps = Array.from({ length: 8 }, (_, index) => `post-${index}`)
    const request = { idleMs: 300, env: ['KEEP_ALIVE_MS=2000'], warm: { path: '/executed', times: 3 } }
    await Promise.all(apps.map((app) => deploy(cloud, app, 'life-node', request)))
    const samples = await Promise.all(
      apps.map(async (app, index) => {
        const own = []
        for (let wake = 0; wake < 25; wake++) {
          await delay(1_200 + ((wake * 8 + index) % 19) * 100) // 1.2 … 3 s
          own.push(await wakeAndLook(app, `/execute?id=${wake}`, 'POST'))
        }
        return own
      }),
    )
    for (const app of apps) {
      const { value } = await answered<string[]>(cloud, app, '/executed')
      assert.deepEqual(
        value,
        Array.from({ length: 25 }, (_, wake) => String(wake)),
      )
    }
    const all = samples.flat()
    assert.ok(all.every(({ from }) => from === 'parked'))
    t.diagnostic(`outside of the client's bounds, ms: ${JSON.stringify(percentiles(all.map((one) => one.outsideMs)))}`)
    t.diagnostic(`client's bounds apart, ms: ${JSON.stringify(percentiles(all.map(({ tookMs }) => tookMs)))}`)
    for (const { outsideMs } of all) assert.ok(outsideMs <= clockToleranceMs, `the clock was ${outsideMs} ms off`)
  })
})
