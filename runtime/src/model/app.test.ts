import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appName, teamId } from '../core/ids.ts'
import { type App, keptMs, serving, stoppedApp, withCanary, withLive, withoutCanary } from './app.ts'

const app: App = {
  team: teamId('t'),
  name: appName('shop'),
  release: 3,
  newest: 3,
  hostname: 'shop.localhost',
  createdAt: 0,
  stopped: false,
}

test('a release that goes live leaves the one before kept, and only that', () => {
  const fourth = withLive(app, 4, 100)
  assert.deepEqual([fourth.release, fourth.newest, fourth.kept], [4, 4, { release: 3, until: 100 + keptMs }])
  const back = withLive(fourth, 3, 200)
  assert.deepEqual([back.release, back.newest, back.kept?.release], [3, 4, 4])
  assert.equal(withLive({ ...app, release: 0, newest: 0 }, 1, 100).kept, undefined, 'before the first there was none')
})

test('a canary takes requests beside the live release until it is promoted or taken back', () => {
  const both = withCanary(app, 4, 10)
  assert.deepEqual([serving(both), both.release, both.newest], [[3, 4], 3, 4])
  const promoted = withLive(both, 4, 100)
  assert.deepEqual([serving(promoted), promoted.kept?.release, promoted.canary], [[4], 3, undefined])
  const takenBack = withoutCanary(both, 100)
  assert.deepEqual([serving(takenBack), takenBack.kept?.release, takenBack.canary], [[3], 4, undefined])
})

test('an app that is stopped has neither canary nor kept release, and starts with the release it had', () => {
  const stopped = stoppedApp(withCanary(withLive(app, 4, 0), 5, 10))
  assert.deepEqual([stopped.release, stopped.canary, stopped.kept, stopped.stopped], [4, undefined, undefined, true])
  assert.equal(withLive(stopped, 4, 0).stopped, false)
})
