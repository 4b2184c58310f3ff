import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { clusterKey, keyFile } from './key-file.ts'

test('a key is made once, is private, and all who ask get the same one', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'littlecloud-test-key-'))
  t.after(() => rm(dir, { recursive: true }))
  const path = join(dir, 'deep', 'key')
  let made = 0
  const keys = await Promise.all([1, 2, 3].map(() => keyFile(path, () => `key-${++made}`)))
  assert.equal(new Set(keys).size, 1)
  assert.equal(await keyFile(path, () => 'another'), keys[0])
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(join(dir, 'deep')), ['key'])

  assert.equal((await clusterKey(join(dir, 'cluster.key'))).length, 32)
  await writeFile(join(dir, 'short'), 'abcd')
  await assert.rejects(clusterKey(join(dir, 'short')), /not 32 bytes/)
})
