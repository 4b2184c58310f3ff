import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { cachePaths } from '../runtime/src/core/paths.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')
const notSetUp = !existsSync(cachePaths().machine) && 'this machine is not set up yet'

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'little-setup-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

test('a set-up with nothing left to do is silent and takes at most 2 s', { skip: notSetUp }, async () => {
  // The best of three: the promise is for a quiet machine, and the tests share theirs.
  const tookMs: number[] = []
  for (let round = 0; round < 3 && Math.min(...tookMs) > 2_000; round++) {
    const startedAt = performance.now()
    const { stdout, stderr } = await run('sh', [
      join(root, 'scripts/with-node.sh'),
      'scripts/setup.ts',
      '--for',
      'test',
    ])
    tookMs.push(performance.now() - startedAt)
    assert.equal(stdout + stderr, '')
  }
  assert.ok(Math.min(...tookMs) <= 2_000, `took ${tookMs.map(Math.round)} ms`)
})

test('a person who is not root gets the reason and the next step, and exit code 1', async () => {
  // cannot write where root would: a refusal that comes too late would show as another error
  const asNobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath]
  const refused = await run('setpriv', [...asNobody, join(root, 'scripts/setup.ts')]).catch((error) => error)
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /could not be set up\n {2}user: uid 65534.*\n.*sudo/)
})

test('an unknown flag of the set-up is refused', async () => {
  const refused = await run(process.execPath, [join(root, 'scripts/setup.ts'), '--force']).catch((error) => error)
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /--force/)
})

test('the launcher finds its repository through symlinks and keeps the folder it was called in', async (t) => {
  const elsewhere = await folder(t)
  await mkdir(join(elsewhere, 'bin'))
  await symlink(join(root, 'scripts/with-node.sh'), join(elsewhere, 'bin/with-node'))
  await symlink('bin/with-node', join(elsewhere, 'short'))
  const script = join(root, 'test/fixtures/where.ts')
  const { stdout } = await run('sh', [join(elsewhere, 'short'), script, 'a b'], { cwd: elsewhere })
  assert.deepEqual(JSON.parse(stdout), { cwd: elsewhere, args: ['a b'], major: 26 })
})
