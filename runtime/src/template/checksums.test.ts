import assert from 'node:assert/strict'
import { closeSync, writeSync } from 'node:fs'
import { test } from 'node:test'
import { MIB } from '../core/units.ts'
import { createMemfd } from '../vm/memfd.ts'
import { sameMemory } from './checksums.ts'

function memory(t: { after(act: () => void): void }, text: string, at = 0) {
  const fd = createMemfd('test')
  t.after(() => closeSync(fd))
  writeSync(fd, Buffer.alloc(3 * MIB, 7))
  writeSync(fd, text, at)
  return fd
}

test('two memories are the same only if no byte of them differs', async (t) => {
  const one = memory(t, 'as it was', 2 * MIB)
  assert.ok(await sameMemory(one, memory(t, 'as it was', 2 * MIB)))
  assert.ok(!(await sameMemory(one, memory(t, 'as it is!', 2 * MIB))))
  assert.ok(!(await sameMemory(one, memory(t, 'longer', 3 * MIB))))
})
