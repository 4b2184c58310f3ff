import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../core/ids.ts'
import { forgetSuspendKey, suspendKey } from './suspend-key.ts'

test('a node has one key for suspended instances until it forgets it, and no other node has it', async () => {
  const [node, other] = [nodeId(`n-key${process.pid}`), nodeId(`n-other${process.pid}`)]
  try {
    const key = await suspendKey(node)
    assert.equal(key.length, 32)
    assert.deepEqual(await suspendKey(node), key)
    assert.notDeepEqual(await suspendKey(other), key)
    await forgetSuspendKey(node)
    assert.notDeepEqual(await suspendKey(node), key)
  } finally {
    for (const one of [node, other]) await forgetSuspendKey(one)
  }
})
