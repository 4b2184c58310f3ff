import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appName, teamId } from '../core/ids.ts'
import type { State } from '../model/instance.ts'
import type { Release } from '../model/release.ts'
import { AppOnNode } from './app-on-node.ts'
import type { Instance } from './instance.ts'

const now = 1_000_000
const minute = 60_000

const release = (number: number, fields: Partial<Release> = {}) =>
  ({ number, maxInstances: 20, spares: 0, ...fields }) as Release

/** What a decision looks at of an instance. */
const instance = (fields: { release?: number; kept?: boolean; idleMs?: number; state?: State; createdAt?: number }) => {
  const { release: number = 1, kept = false, idleMs = 0, state = 'parked', createdAt = 0 } = fields
  const keepers = new Map(kept ? [['h-1', {}]] : [])
  return { record: { release: number, createdAt }, state, keepers, lastUsedAt: now - idleMs } as unknown as Instance
}

function app(target: Release | undefined, instances: Instance[] = []) {
  const one = new AppOnNode(teamId('main'), appName('hello'))
  one.target = target
  one.live = target?.number
  one.instances.push(...instances)
  return one
}

test('an app without an instance gets its first', () => {
  assert.equal(app(release(1)).wants(now), true)
  assert.equal(app(release(1), [instance({})]).wants(now), false)
  assert.equal(app(undefined).wants(now), false)
})

test('spares are made ahead of need, and refilled once a burst has calmed down', () => {
  const target = release(1, { spares: 2 })
  assert.equal(app(target, [instance({ idleMs: minute })]).wants(now), true)
  assert.equal(app(target, Array(3).fill(instance({ idleMs: minute }))).wants(now), false)
  const busy = [
    instance({ kept: true, state: 'running', idleMs: 3_000 }),
    instance({ idleMs: minute }),
    instance({ idleMs: minute }),
  ]
  assert.equal(app(target, [...busy, instance({ kept: true, state: 'running', idleMs: 3_000 })]).wants(now), false)
  assert.equal(
    app(target, [...busy.slice(0, 2), instance({ kept: true, state: 'running', idleMs: 0 })]).wants(now),
    false,
  )
})

test('no more instances than the release allows', () => {
  assert.equal(
    app(release(1, { spares: 5, maxInstances: 2 }), Array(2).fill(instance({ idleMs: minute }))).wants(now),
    false,
  )
})

test('an extra that nobody used for ten minutes ends, the first never does', () => {
  const first = instance({ idleMs: 60 * minute, createdAt: 1 })
  const extra = instance({ idleMs: 11 * minute, createdAt: 2 })
  const fresh = instance({ idleMs: minute, createdAt: 3 })
  assert.deepEqual(app(release(1), [first, extra, fresh]).surplus(now), [extra])
  assert.deepEqual(app(release(1), [first]).surplus(now), [])
})

test('an old release serves until the new one does, and then until nobody holds it', () => {
  const old = instance({ release: 1 })
  const held = instance({ release: 1, kept: true })
  const one = app(release(2), [old, held, instance({ release: 2 })])
  one.live = 1
  assert.deepEqual(one.surplus(now), [])
  one.live = 2
  assert.deepEqual(one.surplus(now), [old])
  assert.deepEqual(one.surplus(now + 31_000), [old, held])
})

test('a serving app that crashes again and again is started ever more seldom', () => {
  const one = app(release(1))
  const delays = Array.from({ length: 8 }, () => {
    one.failed(new Error('crash'), now)
    return one.failure!.retryAt - now
  })
  assert.deepEqual(delays, [0, 1_000, 3_000, 7_000, 15_000, 31_000, 60_000, 60_000])
})

test('a release that never served is not tried again', () => {
  const one = app(release(2))
  one.live = 1
  one.failed(new Error('no port'), now)
  assert.equal(one.wants(now + 1e9), false)
})
