import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeId } from '../core/ids.ts'
import { forgetSuspendKey, suspendKey } from './suspend-key.ts'

test('a node has one key for suspended instances until it forgets it, and no other node has it', async (t) => {
  const [node, other] = [nodeId(`n-key${process.pid}`), nodeId(`n-other${process.pid}`)]
  const instances = await mkdtemp(join(tmpdir(), 'littlecloud-key-'))
  t.after(async () => {
    await rm(instances, { recursive: true })
    for (const one of [node, other]) await forgetSuspendKey(one, instances)
  })
  const key = await suspendKey(node)
  assert.equal(key.length, 32)
  assert.deepEqual(await suspendKey(node), key)
  assert.notDeepEqual(await suspendKey(other), key)
  await forgetSuspendKey(node, instances)
  assert.notDeepEqual(await suspendKey(node), key)
})

test('a key that a suspended instance on the disk needs is not forgotten', async (t) => {
  const node = nodeId(`n-needed${process.pid}`)
  const instances = await mkdtemp(join(tmpdir(), 'littlecloud-key-'))
  t.after(async () => {
    await rm(instances, { recursive: true })
    await forgetSuspendKey(node, instances)
  })
  const key = await suspendKey(node)
  await mkdir(join(instances, 'i-left'))
  await writeFile(join(instances, 'i-left', 'suspended'), '')
  await forgetSuspendKey(node, instances)
  assert.deepEqual(await suspendKey(node), key)
})
