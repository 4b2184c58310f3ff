import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { nodeId } from '../core/ids.ts'
import { Cgroups, NoCgroups } from './cgroup.ts'

test('a group ends what is in it when it is removed, and leaves nothing', async (t) => {
  const groups = await Cgroups.open(nodeId(`n-test-${process.pid}`)).catch((error: Error) => error)
  if (groups instanceof NoCgroups) return t.skip(groups.message)
  assert.ok(groups instanceof Cgroups)
  t.after(() => groups.close())
  const folders = await groups.create('i-1', 64)
  assert.deepEqual(await groups.list(), ['i-1'])
  const child = spawn('sleep', ['600'])
  const ended = once(child, 'exit')
  for (const folder of folders) await writeFile(join(folder, 'cgroup.procs'), String(child.pid))
  await groups.remove('i-1')
  await ended
  assert.ok(folders.length > 0 && folders.every((folder) => !existsSync(folder)))
  assert.deepEqual(await groups.list(), [])
  await groups.remove('i-1') // is gone already: of no effect
})
