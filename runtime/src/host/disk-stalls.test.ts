import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { type TestContext, test } from 'node:test'
import type { Logger } from '../core/log.ts'
import { DiskFullOnHost, DiskStalls } from './disk-stalls.ts'
import type { Instance } from './instance.ts'

/** An instance whose QEMU process stops it for want of room, and what is done about it. */
function writer(t: TestContext, state: 'running' | 'parked') {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const qmp = Object.assign(new EventEmitter(), { send: (command: string) => done.push(command) })
  const done: string[] = []
  const instance = Object.assign(new EventEmitter(), {
    id: 'i-1',
    state,
    vm: { qmp, guest: { setClock: async () => done.push('clock') } },
    eachVm: (use: (vm: object) => void) => use({ qmp }),
    keep: async () => done.push('keep'),
    release: () => done.push('release'),
  }) as unknown as Instance
  const disk = { freeMib: 0 }
  const stalls = new DiskStalls(
    { instancesDir: '', log: { error: () => {} } as unknown as Logger },
    () => done.push('told'),
    async () => disk.freeMib,
  )
  stalls.follow(instance)
  const secondLater = async () => {
    t.mock.timers.tick(1_000)
    await new Promise(setImmediate)
  }
  const full = () => qmp.emit('event', { event: 'BLOCK_IO_ERROR', atUs: 0, data: { action: 'stop', nospace: true } })
  return { instance, stalls, disk, done, full, secondLater }
}

test('a guest that was stopped by a full disk is kept, and goes on once there is room', async (t) => {
  const { instance, stalls, disk, done, full, secondLater } = writer(t, 'running')
  full()
  full()
  assert.throws(() => stalls.going([instance]), DiskFullOnHost)
  await secondLater()
  assert.deepEqual(done, ['keep', 'told'])
  disk.freeMib = 1_000
  await secondLater()
  assert.deepEqual(done, ['keep', 'told', 'cont', 'clock', 'release'])
  assert.deepEqual(stalls.going([instance]), [instance])
})

test('one that was put to sleep in the middle of a write is not woken for it', async (t) => {
  const { instance, stalls, disk, done, full, secondLater } = writer(t, 'parked')
  full()
  assert.throws(() => stalls.going([instance]))
  disk.freeMib = 1_000
  await secondLater()
  assert.deepEqual(done, ['told', 'release'])
  assert.deepEqual(stalls.going([instance]), [instance])
})

test('an error that QEMU reports to the guest stops nothing', async (t) => {
  const { instance, stalls } = writer(t, 'running')
  instance.vm.qmp.emit('event', { event: 'BLOCK_IO_ERROR', atUs: 0, data: { action: 'report' } })
  assert.deepEqual(stalls.going([instance]), [instance])
})

test('one that broke meanwhile is forgotten', async (t) => {
  const { instance, stalls, disk, done, full, secondLater } = writer(t, 'running')
  full()
  instance.emit('broken', new Error('gone'))
  disk.freeMib = 1_000
  await secondLater()
  assert.deepEqual(stalls.going([instance]), [instance])
  assert.deepEqual(done, ['keep', 'told'])
})
