import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { startNats } from '../../../test/harness/nats.ts'
import { ask } from '../cluster/ask.ts'

test('the billing process answers what things cost, also when NATS comes after it, and ends in order', async (t) => {
  const nats = await startNats(t)
  await nats.kill()
  const dir = mkdtempSync(join(tmpdir(), 'littlecloud-billing-'))
  const config = join(dir, 'billing.json')
  writeFileSync(config, JSON.stringify({ nats: nats.config, dataDir: join(dir, 'data') }))
  const args = [join(import.meta.dirname, 'billing.ts'), '--config', config]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  const exited = once(child, 'exit')
  t.after(() => {
    child.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  })
  assert.deepEqual(await once(child, 'message', { signal: AbortSignal.timeout(20_000) }), ['ready', undefined])
  await nats.start()

  const answer = async (): Promise<unknown> => {
    const options = { schema: z.unknown(), deadlineMs: 5_000 }
    return await ask(nats.open(), 'ask.billing.cost', { by: 'app' }, options).catch(() => answer())
  }
  assert.deepEqual(await answer(), [])
  child.kill('SIGTERM')
  assert.deepEqual(await exited, [0, null])
})
