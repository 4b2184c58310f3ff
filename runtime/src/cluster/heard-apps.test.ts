import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeardApps, toldAgainMs } from './heard-apps.ts'

const app = (name: string, ...instances: string[]) => ({ team: 'main', app: name, instances })

test('what is told in parts is known as a whole', () => {
  const heard = new HeardApps()
  heard.hear([app('a', 'i-1')], 0)
  heard.hear([app('b', 'i-2')], 500)
  heard.hear([app('a', 'i-1', 'i-3')], 1_000)
  assert.deepEqual(heard.all(), [app('a', 'i-1', 'i-3'), app('b', 'i-2')])
  assert.deepEqual(heard.of('main', 'b'), app('b', 'i-2'))
})

test('an app without instances is forgotten', () => {
  const heard = new HeardApps()
  heard.hear([app('a', 'i-1')], 0)
  heard.hear([app('a')], 500)
  assert.deepEqual(heard.all(), [])
})

test('an app whose end was told while nobody listened is forgotten as well, a living one is not', () => {
  const heard = new HeardApps()
  heard.hear([app('gone', 'i-1'), app('here', 'i-2')], toldAgainMs)
  for (let now = toldAgainMs; now <= 6 * toldAgainMs; now += toldAgainMs) heard.hear([app('here', 'i-2')], now)
  assert.deepEqual(heard.all(), [app('here', 'i-2')])
})
