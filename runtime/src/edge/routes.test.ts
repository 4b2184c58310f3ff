import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appName, nodeId, teamId } from '../core/ids.ts'
import { Routes } from './routes.ts'

const app = {
  team: teamId('t'),
  name: appName('shop'),
  release: 1,
  hostname: 'Shop.localhost',
  createdAt: 0,
  stopped: false,
}

test('a host is found in any case, with its port, with the root’s dot', () => {
  const routes = new Routes()
  routes.set(app, undefined, [nodeId('n')])
  for (const host of ['shop.localhost', 'SHOP.localhost:8080', 'shop.localhost.', 'shop.localhost.:1']) {
    assert.equal(routes.byHost(host)?.app, 'shop')
    assert.equal(routes.byHost(host)?.app, 'shop')
  }
  assert.equal(routes.byHost('other.localhost'), undefined)
})

test('a change counts from the next look on, and a removed app is not found', () => {
  const routes = new Routes()
  routes.set(app, undefined, [])
  routes.byHost('shop.localhost:1')
  routes.set({ ...app, hostname: 'new.localhost', stopped: true }, undefined, [])
  assert.equal(routes.byHost('shop.localhost:1'), undefined)
  assert.equal(routes.byHost('new.localhost')?.stopped, true)
  routes.remove(app.team, app.name)
  assert.equal(routes.byHost('new.localhost'), undefined)
  assert.equal(routes.size, 0)
})
