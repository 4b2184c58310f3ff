import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ToolFailed } from './errors.ts'
import { runTool } from './run-tool.ts'

test('a program that is not there is named', async () => {
  await assert.rejects(runTool('no-such-program', []), (error: Error) => {
    assert.ok(error instanceof ToolFailed)
    assert.match(error.message, /no-such-program could not be started/)
    return true
  })
})

test('lines come one by one, the last one too when nothing ends it', async () => {
  const lines: string[] = []
  const { code, stdout } = await runTool('sh', ['-c', 'printf "a\\nb"; exit 3'], { onLine: (line) => lines.push(line) })
  assert.deepEqual([code, stdout, lines], [3, 'a\nb', ['a', 'b']])
})

test('an aborted program has ended when the promise settles', async () => {
  const abort = new AbortController()
  const running = runTool('sleep', ['600'], { signal: abort.signal })
  abort.abort()
  await assert.rejects(running, { name: 'AbortError' })
})
