import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appName, teamId } from '../core/ids.ts'
import type { Release } from '../model/release.ts'
import { AppOnNode } from './app-on-node.ts'
import type { Instance } from './instance.ts'
import { NoMemoryOnNode, NoRoomToReserve } from './start-errors.ts'
import { Tiers } from './tiers.ts'
import type { HostTools } from './tools.ts'

const release = (fields: Partial<Release>) =>
  ({ team: teamId('main'), app: appName('new'), number: 1, memoryMib: 100, ...fields }) as Release

/** An app with one instance, as far as a decision looks at it; `suspended` notes what was sent to the disk. */
function app(name: string, fields: Partial<Release>, ownMib: number, suspended: string[]) {
  const one = new AppOnNode(teamId('main'), appName(name))
  one.wanted = { ready: [release(fields)] }
  one.serving = [1]
  const instance = {
    record: { release: 1, memoryMib: fields.memoryMib ?? 100 },
    state: 'parked',
    idle: true,
    ownMib,
    async suspend() {
      suspended.push(name)
      Object.assign(instance, { state: 'suspended', idle: false })
    },
  }
  one.instances.push(instance as unknown as Instance)
  return one
}

const tiers = (apps: AppOnNode[], budgetMib: number) =>
  new Tiers(
    { apps, instances: apps.flatMap(({ instances }) => instances), drop: async () => {} },
    { templates: { residentMib: 0 } } as unknown as HostTools,
    budgetMib,
  )

test('a start that has room takes it, and gives it back', async () => {
  const suspended: string[] = []
  const one = tiers([app('a', {}, 30, suspended)], 200)
  const room = await one.room(release({}))
  assert.equal(one.memory.usedMib, 130)
  room[Symbol.dispose]()
  assert.equal(one.memory.usedMib, 30)
  assert.deepEqual(suspended, [])
})

test('a start without room sends the least likely to the disk first, and only as many as it must', async () => {
  const suspended: string[] = []
  const often = app('often', {}, 30, suspended)
  often.habit = { ...often.habit, recent: 10 }
  using _room = await tiers([often, app('seldom', {}, 30, suspended)], 150).room(release({}))
  assert.deepEqual(suspended, ['seldom'])
})

test('what is always parked stays, counts in full, and a start that needs its memory is refused', async () => {
  const suspended: string[] = []
  const one = tiers([app('loyal', { alwaysParked: true, memoryMib: 100 }, 30, suspended)], 150)
  await assert.rejects(one.room(release({})), NoMemoryOnNode)
  assert.equal(one.memory.reservedMib, 100)
  assert.deepEqual(suspended, [])
})

test('memory that is reserved already is not reserved again', async () => {
  const one = tiers([app('loyal', { alwaysParked: true, memoryMib: 100 }, 30, [])], 150)
  await assert.rejects(one.room(release({ alwaysParked: true })), NoRoomToReserve)
})
