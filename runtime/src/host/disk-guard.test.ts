import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { InstanceId } from '../core/ids.ts'
import { MIB } from '../core/units.ts'
import { DiskFilled, DiskGuard } from './disk-guard.ts'

async function machine(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'littlecloud-disk-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  const disk = { totalMib: 100_000, freeMib: 8_000 }
  const ended: [string, Error][] = []
  const instances = await Promise.all(
    ['i-large', 'i-filling', 'i-quiet'].map(async (id) => {
      const vm = { dir: join(dir, id) }
      await mkdir(vm.dir)
      return { id: id as InstanceId, vm, fail: (error: Error) => void ended.push([id, error]) }
    }),
  )
  const write = (index: number, mib: number) =>
    appendFile(join(instances[index]!.vm.dir, 'scratch'), Buffer.alloc(mib * MIB, 1))
  const guard = new DiskGuard(dir, async () => disk)
  return { disk, ended, instances, write, look: () => guard.look(instances) }
}

test('while the disk is nearly full the instance that fills it is ended, not one that holds much', async (t) => {
  const { disk, ended, write, look } = await machine(t)
  await write(0, 60)
  await look()
  await write(1, 30)
  await look()
  assert.equal(ended.length, 0) // there is room
  disk.freeMib = 1_000
  await write(1, 20)
  await write(2, 4)
  await look()
  assert.deepEqual(
    ended.map(([id, error]) => [id, error instanceof DiskFilled]),
    [['i-filling', true]],
  )
})

test('a disk that somebody else has filled costs no instance its life', async (t) => {
  const { disk, ended, write, look } = await machine(t)
  await write(0, 60)
  await look()
  disk.freeMib = 0
  await look()
  assert.equal(ended.length, 0)
})
