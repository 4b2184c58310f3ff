import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { type TestContext, test } from 'node:test'
import type { LittleError } from '../core/errors.ts'
import { GuestUnreachable } from '../vm/guest-errors.ts'
import type { MicroVm } from '../vm/micro-vm.ts'
import { Instance } from './instance.ts'
import type { MemoryImage } from './memory-image.ts'
import type { Meter } from './meter.ts'
import type { InstanceRecord } from './record.ts'

/** A QEMU process as far as an instance talks to it; `clock` is what its guest answers when it is told the time. */
function microVm(clock: () => Promise<number> = async () => 1) {
  const qmp = Object.assign(new EventEmitter(), {
    send: (command: 'cont' | 'stop') =>
      setImmediate(() => qmp.emit('event', { event: command === 'cont' ? 'RESUME' : 'STOP', atUs: 1 })),
  })
  const guest = Object.assign(new EventEmitter(), { setClock: clock, rest: async () => {} })
  const process = { pid: 1, gone: async () => {} }
  const hmp = { cont: () => qmp.send('cont') }
  return { dir: '/nowhere', qmp, hmp, guest, process, kill: async () => {} } as unknown as MicroVm
}

const record = { id: 'i-1', team: 'main', app: 'hello', memoryMib: 128, maxAwakeMs: 1_000 } as unknown as InstanceRecord
const meter = { begin: () => ({ end() {}, touch() {} }) } as unknown as Meter
/** They know why a process has ended. */
const cgroups = { outOfMemory: async () => 160 }

/** One that sleeps in `vm`. Its image is written at once; it comes back as `next`, as soon as `read` says so. */
function sleeper(vm: MicroVm, next = microVm(), read: Promise<unknown> = Promise.resolve()) {
  const image = {
    write: async () => {},
    discard: async () => {},
    endProcess: async (ended: MicroVm) => void ended.qmp.emit('closed'),
    restore: () => read.then(() => next),
  } as unknown as MemoryImage
  const instance = new Instance({ record, vm, state: 'parked', image, meter, boost: undefined, cgroups })
  const told: string[] = []
  instance.on('late', () => told.push('late'))
  instance.on('broken', (error) => told.push((error as LittleError).code))
  return { instance, told }
}

/** Moves the clock by so much, with all that follows from it. */
async function pass(t: TestContext, ms: number) {
  t.mock.timers.tick(ms)
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
}

test('a process that was ended because its instance is suspended is no crash; one that ends by itself is', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const next = microVm()
  const { instance, told } = sleeper(microVm(), next)
  await instance.suspend()
  await pass(t, 1_000)
  assert.deepEqual([instance.state, told], ['suspended', []])

  assert.equal((await instance.keep({ id: 'h-1' })).from, 'suspended')
  assert.deepEqual([instance.state, instance.vm], ['running', next])
  next.qmp.emit('closed')
  await pass(t, 1_000)
  assert.deepEqual([instance.state, told], ['broken', ['instance.out_of_memory_on_host']])
})

test('reading memory back takes its time: only a guest that does not answer is late', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const read = Promise.withResolvers<void>()
  const clock = Promise.withResolvers<number>()
  const { instance, told } = sleeper(
    microVm(),
    microVm(() => clock.promise),
    read.promise,
  )
  await instance.suspend()
  const refused = assert.rejects(instance.keepSoon({ id: 'h-1' }), { code: 'hold.starting' })
  await pass(t, 20_000)
  assert.deepEqual([instance.isLate, told], [false, []])

  read.resolve()
  await pass(t, 0)
  await pass(t, 5_000)
  await refused
  assert.deepEqual([instance.isLate, told], [true, ['late']])
  clock.resolve(1)
  await pass(t, 0)
  assert.deepEqual([instance.isLate, instance.state], [false, 'parked'], 'who waited for it has gone')
})

test('a guest that is gone in the middle of its wake breaks the instance, and who waits for it hears why', async () => {
  const { instance, told } = sleeper(microVm(() => Promise.reject(new GuestUnreachable('its channel closed'))))
  await assert.rejects(instance.keep({ id: 'h-1' }), { code: 'instance.out_of_memory_on_host' })
  assert.deepEqual([instance.state, told], ['broken', ['instance.out_of_memory_on_host']])
})

test('a guest that does not stop breaks the instance', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const vm = microVm()
  const { instance, told } = sleeper(vm)
  await instance.keep({ id: 'h-1' })
  Object.assign(vm.qmp, { send() {} })
  instance.release('h-1')
  await pass(t, 30_000)
  await pass(t, 30_000)
  assert.deepEqual([instance.state, told], ['broken', ['instance.wake_failed']])
})
