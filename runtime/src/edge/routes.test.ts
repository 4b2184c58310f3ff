import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appName, nodeId, teamId } from '../core/ids.ts'
import type { Release } from '../model/release.ts'
import { Routes, type Target } from './routes.ts'

const app = {
  team: teamId('t'),
  name: appName('shop'),
  release: 1,
  newest: 1,
  hostname: 'Shop.localhost',
  createdAt: 0,
  stopped: false,
}

const target = (number: number): Target => ({ release: { number } as Release, nodes: [nodeId('n')] })

test('a host is found in any case, with its port, with the root’s dot', () => {
  const routes = new Routes()
  routes.set(app, target(1), undefined)
  for (const host of ['shop.localhost', 'SHOP.localhost:8080', 'shop.localhost.', 'shop.localhost.:1']) {
    assert.equal(routes.byHost(host)?.app, 'shop')
    assert.equal(routes.byHost(host)?.app, 'shop')
  }
  assert.equal(routes.byHost('other.localhost'), undefined)
})

test('a change counts from the next look on, and a removed app is not found', () => {
  const routes = new Routes()
  routes.set(app, target(1), undefined)
  routes.byHost('shop.localhost:1')
  routes.set({ ...app, hostname: 'new.localhost', stopped: true }, undefined, undefined)
  assert.equal(routes.byHost('shop.localhost:1'), undefined)
  assert.equal(routes.byHost('new.localhost')?.stopped, true)
  routes.remove(app.team, app.name)
  assert.equal(routes.byHost('new.localhost'), undefined)
  assert.equal(routes.size, 0)
})

test('a release goes on until all that its successor needs is known', () => {
  const routes = new Routes()
  const released = () => routes.byHost('shop.localhost')?.release
  routes.set({ ...app, release: 0 }, undefined, undefined)
  assert.equal(released(), 0)
  routes.set(app, target(1), undefined)
  const first = routes.byHost('shop.localhost')!
  routes.set({ ...app, release: 2 }, undefined, undefined)
  assert.deepEqual([released(), routes.overtaken(first)], [1, false])
  routes.set({ ...app, release: 2 }, target(2), undefined)
  assert.deepEqual([released(), routes.overtaken(first)], [2, true])
  routes.set({ ...app, createdAt: 1, release: 1 }, undefined, undefined)
  assert.equal(released(), 0, 'it is another app of the same name')
})

test('a canary gets its share of the requests, and none before it is known', () => {
  const routes = new Routes()
  const canary = { ...app, canary: { release: 2, percent: 10 } }
  const shareOf = (release: number) => {
    const drawn = Array.from({ length: 10_000 }, () => routes.byHost('shop.localhost')!)
    return drawn.filter((route) => route.release === release).length / drawn.length
  }
  routes.set(canary, target(1), undefined)
  assert.equal(shareOf(1), 1)
  routes.set(canary, target(1), target(2))
  const share = shareOf(2)
  assert.ok(share > 0.08 && share < 0.12, `${share} of 0.1`) // six standard deviations
  assert.ok(routes.byHost('shop.localhost')?.shared)
})
