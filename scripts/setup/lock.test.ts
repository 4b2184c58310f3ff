import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { lock } from './lock.ts'

async function lockFile(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'little-lock-'))
  t.after(() => rm(folder, { recursive: true }))
  return join(folder, 'setup.lock')
}

test('a second set-up waits, says so, and goes on when the first has ended', async (t) => {
  const path = await lockFile(t)
  const first = await lock(path, () => assert.fail('nobody was there to wait for'))
  const waits = Promise.withResolvers<void>()
  const second = lock(path, waits.resolve)
  await waits.promise
  await first[Symbol.asyncDispose]()
  await (await second)[Symbol.asyncDispose]()
})

test('a killed set-up leaves nothing locked', async (t) => {
  const path = await lockFile(t)
  const script = `import { lock } from '${join(import.meta.dirname, 'lock.ts')}'
    await lock('${path}', () => {})
    console.log('held')
    setInterval(() => {}, 1e6)`
  const other = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => other.kill('SIGKILL'))
  await once(other.stdout, 'data')
  other.kill('SIGKILL')
  await using _mine = await lock(path, () => {})
})
