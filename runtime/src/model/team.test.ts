import assert from 'node:assert/strict'
import { test } from 'node:test'
import { teamId } from '../core/ids.ts'
import { admits, ownerTeam } from './team.ts'

test("an emulated node admits the owner's team, and others only where its operator says so", () => {
  const emulated = { isolation: 'emulated', foreignOnEmulated: false } as const
  const strangers = teamId('strangers')
  assert.equal(admits(emulated, ownerTeam), true)
  assert.equal(admits(emulated, strangers), false)
  assert.equal(admits({ ...emulated, foreignOnEmulated: true }, strangers), true)
  assert.equal(admits({ isolation: 'hardware', foreignOnEmulated: false }, strangers), true)
})
