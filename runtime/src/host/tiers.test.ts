import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appName, teamId } from '../core/ids.ts'
import type { Release } from '../model/release.ts'
import { AppOnNode } from './app-on-node.ts'
import type { Instance } from './instance.ts'
import { NoMemoryOnNode, NoRoomToReserve, StartCalledOff } from './start-errors.ts'
import { Tiers } from './tiers.ts'
import type { HostTools } from './tools.ts'

const release = (fields: Partial<Release>) =>
  ({ team: teamId('main'), app: appName('new'), number: 1, memoryMib: 100, ...fields }) as Release

/** Of a start that nobody calls off. */
const { signal: stays } = new AbortController()

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
  const room = await one.room(release({}), stays)
  assert.equal(one.memory.usedMib, 130)
  room[Symbol.dispose]()
  assert.equal(one.memory.usedMib, 30)
  assert.deepEqual(suspended, [])
})

test('a start without room sends the least likely to the disk first, and only as many as it must', async () => {
  const suspended: string[] = []
  const often = app('often', {}, 30, suspended)
  often.habit = { ...often.habit, recent: 10 }
  using _room = await tiers([often, app('seldom', {}, 30, suspended)], 150).room(release({}), stays)
  assert.deepEqual(suspended, ['seldom'])
})

test('what is always parked stays, counts in full, and a start that needs its memory is refused', async () => {
  const suspended: string[] = []
  const one = tiers([app('loyal', { alwaysParked: true, memoryMib: 100 }, 30, suspended)], 150)
  await assert.rejects(one.room(release({}), stays), NoMemoryOnNode)
  assert.equal(one.memory.reservedMib, 100)
  assert.deepEqual(suspended, [])
})

test('memory that is reserved already is not reserved again', async () => {
  const one = tiers([app('loyal', { alwaysParked: true, memoryMib: 100 }, 30, [])], 150)
  await assert.rejects(one.room(release({ alwaysParked: true }), stays), NoRoomToReserve)
})

test('a start waits for an instance that is awake to come to rest', async () => {
  const suspended: string[] = []
  const busy = app('busy', {}, 60, suspended)
  const [instance] = busy.instances
  Object.assign(instance!, { state: 'running', idle: false })
  const one = tiers([busy], 110)
  const room = one.room(release({}), stays)
  await new Promise(setImmediate)
  assert.deepEqual(suspended, [])
  Object.assign(instance!, { state: 'parked', idle: true, vm: { process: { pid: process.pid } } })
  one.rested(instance!)
  using _room = await room
  assert.deepEqual(suspended, ['busy'])
})

test('a start does not wait for ever for one that stays awake', async (t) => {
  t.mock.timers.enable({ apis: ['Date'] })
  const busy = app('busy', {}, 60, [])
  Object.assign(busy.instances[0]!, { state: 'running', idle: false, vm: { process: { pid: process.pid } } })
  const one = tiers([busy], 110)
  const refused = assert.rejects(one.room(release({}), stays), NoMemoryOnNode)
  await new Promise(setImmediate)
  t.mock.timers.tick(10_000)
  one.look()
  await refused
})

test('a start that is called off waits no longer, and gives back what it had asked for', async () => {
  const busy = app('busy', {}, 60, [])
  Object.assign(busy.instances[0]!, { state: 'running', idle: false })
  const one = tiers([busy], 150)
  const start = new AbortController()
  const calledOff = assert.rejects(one.room(release({}), start.signal), StartCalledOff)
  await new Promise(setImmediate)
  start.abort()
  await calledOff
  assert.equal(one.memory.usedMib, 60)
})

test('starts that wait are let in one after another, in their order', async () => {
  const one = tiers([], 150)
  const letIn: string[] = []
  const start = async (name: string, memoryMib: number) => {
    const room = await one.room(release({ memoryMib }), stays)
    letIn.push(name)
    return room
  }
  const [first, large, small] = [start('first', 100), start('large', 120), start('small', 30)]
  const firstRoom = await first
  await new Promise(setImmediate)
  assert.deepEqual(
    letIn,
    ['first'],
    'the small one would have room, but it must not keep the large one waiting for ever',
  )
  firstRoom[Symbol.dispose]()
  using _large = await large
  using _small = await small
  assert.deepEqual(letIn, ['first', 'large', 'small'])
})

test('what can never have room is refused before anything goes to the disk for it', async () => {
  const suspended: string[] = []
  const one = tiers([app('a', {}, 30, suspended)], 150)
  await assert.rejects(one.room(release({ memoryMib: 200 }), stays), NoMemoryOnNode)
  assert.deepEqual(suspended, [])
})

test('a release that is only kept to go back to leaves memory before one that takes requests', async () => {
  const suspended: string[] = []
  const kept = app('kept', {}, 30, suspended)
  kept.habit = { ...kept.habit, recent: 10 }
  kept.wanted = { ready: [], kept: { release: release({}), until: Number.MAX_SAFE_INTEGER } }
  kept.serving = []
  using _room = await tiers([app('live', {}, 30, suspended), kept], 150).room(release({}), stays)
  assert.deepEqual(suspended, ['kept'])
})
