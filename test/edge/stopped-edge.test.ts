import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as later } from 'node:timers/promises'
import { holdExpiryMs } from '../../runtime/src/fabric/hold.ts'
import { RawClient } from './raw-client.ts'
import { grants, httpApp } from './start-edge.ts'
import { StubAgent } from './stub-agent.ts'

test('an edge that was stopped for long says hello anew, with what is in flight, and the reply arrives whole', {
  timeout: 30_000,
}, async (t) => {
  const app = await httpApp(t, (_req, res) => {
    res.write('first ')
    later(holdExpiryMs + 2_500).then(
      () => res.end('last'),
      () => {},
    )
  })
  const agent = await new StubAgent(
    grants(() => app.port),
    'n-bench',
  ).started()
  t.after(() => agent.close())
  const file = join(import.meta.dirname, '../../bench/throughput/edge.ts')
  const edge = spawn(process.execPath, [file, '0', agent.path], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => void edge.kill('SIGKILL'))
  const [ready] = await once(edge.stdout, 'data')
  await agent.hears('hello')

  const client = await RawClient.to(Number(/ready (\d+)/.exec(String(ready))?.[1]))
  client.send('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')
  await client.until(({ text }) => text.includes('first'))
  edge.kill('SIGSTOP')
  await later(holdExpiryMs + 500) // the silence itself is what is tested
  edge.kill('SIGCONT')

  const hello = await agent.hears('hello', ({ holds }) => holds.length > 0)
  assert.equal(hello.holds[0]?.instance, 'i-1')
  assert.match(await client.all(), /last\r\n0\r\n\r\n$/)
})
