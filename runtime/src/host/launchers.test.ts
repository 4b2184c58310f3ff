import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Launchers } from './launchers.ts'

test('what was a copy of a launcher and has become something else is no launcher', async (t) => {
  const below = `/nowhere/${process.pid}`
  const script = 'read line; exec sleep 1000'
  const child = spawn('sh', ['-c', script, '--pidfile', `${below}/i-1/pid`], { stdio: ['pipe', 'ignore', 'ignore'] })
  t.after(() => child.kill('SIGKILL'))
  const commandHas = async (text: string) => {
    for (const until = Date.now() + 20_000; ; await delay(5)) {
      if (readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').includes(text)) return
      assert.ok(Date.now() < until, `it has not become ${text}`)
    }
  }
  await commandHas('--pidfile')
  const launchers = new Launchers(below)
  assert.deepEqual(
    (await launchers.look()).map(({ pid }) => pid),
    [child.pid],
  )
  child.stdin.write('go on\n')
  await commandHas('sleep\0')
  assert.deepEqual(await launchers.look(), [])
})
