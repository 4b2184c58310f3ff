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
const instance = (fields: {
  release?: number
  kept?: boolean
  idleMs?: number
  state?: State
  createdAt?: number
  isLate?: boolean
}) => {
  const { release: number = 1, kept = false, idleMs = 0, createdAt = 0 } = fields
  const { state = 'parked', isLate = false } = fields
  const keepers = new Map(kept ? [['h-1', {}]] : [])
  const record = { release: number, createdAt }
  return { record, state, isLate, keepers, lastUsedAt: now - idleMs } as unknown as Instance
}

function app(ready: Release[] | undefined, instances: Instance[] = []) {
  const one = new AppOnNode(teamId('main'), appName('hello'))
  one.wanted = ready && { ready }
  one.serving = ready?.map(({ number }) => number) ?? []
  one.instances.push(...instances)
  return one
}

test('an app without an instance gets its first', () => {
  assert.equal(app([release(1)]).wants(now)?.number, 1)
  assert.equal(app([release(1)], [instance({})]).wants(now), undefined)
  assert.equal(app(undefined).wants(now), undefined)
})

test('spares are made ahead of need, and refilled once a burst has calmed down', () => {
  const target = release(1, { spares: 2 })
  assert.equal(app([target], [instance({ idleMs: minute })]).wants(now)?.number, 1)
  assert.equal(app([target], Array(3).fill(instance({ idleMs: minute }))).wants(now), undefined)
  const busy = [
    instance({ kept: true, state: 'running', idleMs: 3_000 }),
    instance({ idleMs: minute }),
    instance({ idleMs: minute }),
  ]
  assert.equal(
    app([target], [...busy, instance({ kept: true, state: 'running', idleMs: 3_000 })]).wants(now),
    undefined,
  )
  assert.equal(
    app([target], [...busy.slice(0, 2), instance({ kept: true, state: 'running', idleMs: 0 })]).wants(now),
    undefined,
  )
})

test('no more instances than the release allows', () => {
  assert.equal(
    app([release(1, { spares: 5, maxInstances: 2 })], Array(2).fill(instance({ idleMs: minute }))).wants(now),
    undefined,
  )
})

test('an extra that nobody used for ten minutes ends, the first never does', () => {
  const first = instance({ idleMs: 60 * minute, createdAt: 1 })
  const extra = instance({ idleMs: 11 * minute, createdAt: 2 })
  const fresh = instance({ idleMs: minute, createdAt: 3 })
  assert.deepEqual(app([release(1)], [first, extra, fresh]).surplus(now), [extra])
  assert.deepEqual(app([release(1)], [first]).surplus(now), [])
})

test('each release that is to be ready here has its first instance, whatever the others have', () => {
  assert.equal(app([release(1), release(2)], [instance({ release: 1 })]).wants(now)?.number, 2)
  const both = app([release(1), release(2)], [instance({ release: 1 }), instance({ release: 2 })])
  assert.equal(both.wants(now), undefined)
  assert.deepEqual(both.surplus(now), [])
})

test('what is wanted no more ends once nobody holds it, at the latest after half a minute', () => {
  const old = instance({ release: 1 })
  const held = instance({ release: 1, kept: true })
  const one = app([release(2)], [old, held, instance({ release: 2 })])
  assert.deepEqual(one.surplus(now), [old])
  assert.deepEqual(one.surplus(now + 29_000), [old])
  assert.deepEqual(one.surplus(now + 31_000), [old, held])
})

test('of a kept release the first instance stays until its time is over, or it is wanted again', () => {
  const first = instance({ release: 1, createdAt: 1 })
  const extra = instance({ release: 1, createdAt: 2 })
  const one = app([release(2)], [extra, first, instance({ release: 2 })])
  one.wanted!.kept = { release: release(1), until: now + minute }
  assert.deepEqual(one.surplus(now), [extra])
  assert.deepEqual(one.surplus(now + minute), [extra, first])
  assert.equal(app(undefined, [first]).surplus(now)[0], first, 'an app that is gone is gone')
})

test('a serving app that crashes again and again is started ever more seldom', () => {
  const one = app([release(1)])
  const delays = Array.from({ length: 8 }, () => {
    one.failed(1, new Error('crash'), now)
    return one.failures.of(1)!.retryAt - now
  })
  assert.deepEqual(delays, [0, 1_000, 3_000, 7_000, 15_000, 31_000, 60_000, 60_000])
})

test('a release that never served is not tried again, and holds up no other', () => {
  const one = app([release(1), release(2)])
  one.serving = [1]
  one.failed(2, new Error('no port'), now)
  assert.equal(one.wants(now + 1e9)?.number, 1)
  one.instances.push(instance({ release: 1 }))
  assert.equal(one.wants(now + 1e9), undefined)
})

test('who answers soonest is asked first: those in memory before those on the disk, and none that is late', () => {
  const states: State[] = ['suspended', 'parked', 'starting', 'broken', 'running', 'stopping']
  const late = instance({ state: 'running', isLate: true })
  const one = app([release(1)], [late, ...states.map((state) => instance({ state }))])
  assert.deepEqual(
    one.usable(1).map(({ state }) => state),
    ['running', 'stopping', 'parked', 'suspended'],
  )
})

test('beside a late one another is started, and takes its place only where there may be no more', () => {
  const late = instance({ state: 'running', isLate: true })
  assert.equal(app([release(1)], [late]).wants(now)?.number, 1)
  const both = [late, instance({ state: 'suspended' })]
  assert.deepEqual(app([release(1)], both).overtaken(release(1)), [])
  assert.deepEqual(app([release(1)], both).overtaken(release(1, { maxInstances: 1 })), [late])
})
