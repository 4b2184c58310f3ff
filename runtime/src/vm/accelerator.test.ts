import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { cachePaths } from '../core/paths.ts'
import { detectMachine, knownMachine, MachineNotSetUp } from './accelerator.ts'

async function emptyCache(t: TestContext): Promise<string> {
  const cache = await mkdtemp(join(tmpdir(), 'little-machine-'))
  t.after(() => rm(cache, { recursive: true }))
  return cache
}

/** As machine.json looks after a set-up on another boot or with another QEMU. */
async function remember(cache: string, change: Record<string, unknown>): Promise<void> {
  const path = cachePaths(cache).machine
  const machine = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
  await writeFile(path, JSON.stringify({ ...machine, ...change }))
}

test('a machine is found out once, and anew after a boot or with another QEMU', async (t) => {
  const cache = await emptyCache(t)
  const tool = join(cachePaths().initrd, '../tsc')
  try {
    await cp(tool, join(cache, 'guest/tsc'))
  } catch {
    return t.skip('no clock tool yet: run the set-up')
  }

  const machine = await detectMachine(cache) // no kernel in this cache: whatever /dev/kvm is, nothing boots
  assert.equal(machine.accelerator, 'tcg')
  assert.equal(machine.isolation, 'emulated')
  assert.ok(machine.tscKhz > 100_000 && machine.tscKhz < 10_000_000, `${machine.tscKhz} kHz`)
  assert.deepEqual(await knownMachine(cache), machine)

  await remember(cache, { bootId: 'another' })
  assert.equal(await knownMachine(cache), undefined)
  await remember(cache, { bootId: machine.bootId, qemuVersion: 'QEMU emulator version 1.0' })
  assert.equal(await knownMachine(cache), undefined)
  await writeFile(cachePaths(cache).machine, '{"bootId": "')
  assert.equal(await knownMachine(cache), undefined)
  assert.deepEqual(await detectMachine(cache), machine)
})

test('a machine without the tools of the set-up is told to be set up', async (t) => {
  await assert.rejects(detectMachine(await emptyCache(t)), MachineNotSetUp)
})
