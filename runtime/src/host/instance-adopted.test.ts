import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { MicroVm } from '../vm/micro-vm.ts'
import { Instance } from './instance.ts'
import { WakeLate } from './lateness.ts'
import type { MemoryImage } from './memory-image.ts'
import type { Meter } from './meter.ts'
import type { InstanceRecord } from './record.ts'

/** An instance that an agent has found running, and the other end of its guest's clock. */
function adopted(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const clock = Promise.withResolvers<number>()
  const guest = { on: () => {}, setClock: () => clock.promise }
  const interval = { end: () => {}, touch: () => {} }
  const instance = new Instance({
    record: { id: 'i-1', team: 'main', app: 'hello' } as InstanceRecord,
    vm: { dir: '', qmp: new EventEmitter(), guest } as unknown as MicroVm,
    state: 'running',
    image: {} as MemoryImage,
    meter: { begin: () => interval } as unknown as Meter,
    boost: undefined,
    cgroups: { outOfMemory: async () => undefined },
  })
  instance.adopted(Date.now() * 1000)
  return { instance, clock }
}

test('a request to an adopted instance whose guest does not answer is told so after 5 s, and another is started', async (t) => {
  const { instance } = adopted(t)
  let late = 0
  instance.on('late', () => late++)
  const refused = assert.rejects(instance.keepSoon({ id: 'h-1', edge: 'e-1' }), WakeLate)
  t.mock.timers.tick(5_000)
  await turn()
  await refused
  assert.equal(late, 1)
  assert.equal(instance.isLate, true)
  assert.equal(instance.keepers.size, 0)
})

test('an adopted instance whose guest answers late is the app as before', async (t) => {
  const { instance, clock } = adopted(t)
  t.mock.timers.tick(5_000)
  await turn()
  clock.resolve(6_000)
  await turn()
  assert.equal(instance.isLate, false)
  assert.equal((await instance.keepSoon({ id: 'h-1', edge: 'e-1' })).from, 'running')
})
