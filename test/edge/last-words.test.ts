// A program's death shows at its connection before its agent can say why.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { instanceId } from '../../runtime/src/core/ids.ts'
import { ask, get, RawClient } from './raw-client.ts'
import { httpApp, rawApp, startEdge } from './start-edge.ts'

const timeout = 15_000
const gone = (instance: string) => ({
  type: 'gone' as const,
  instance: instanceId(instance),
  incarnation: 1,
  reason: { code: 'app.crashed', message: 'exit code 7\n  its last words', hint: 'look at its log' },
})

test('who asked an app that dies of it gets its last words, though they come after its FIN', { timeout }, async (t) => {
  const app = await rawApp(t, (socket) =>
    socket.once('data', () => socket.end(() => setTimeout(() => agent.say(gone('i-1')), 50))),
  )
  const { edge, agent } = await startEdge(t, (asked, stub) => stub.grant(asked, { port: app.port }))
  const reply = await ask(edge.port, 'POST / HTTP/1.1\r\nHost: hello.localhost\r\nContent-Length: 0\r\n\r\n')
  assert.match(reply, /^HTTP\/1.1 502 [\s\S]*app.crashed[\s\S]*its last words/)
})

test('a request that a dead instance never took is answered by the next one', { timeout }, async (t) => {
  const dead = await rawApp(t, () => {})
  dead.server.close()
  const alive = await httpApp(t, (_req, res) => res.end('alive'))
  const { edge, agent } = await startEdge(t, (asked, stub) =>
    stub.count('acquire') === 1
      ? stub.grant(asked, { port: dead.port })
      : stub.grant(asked, { port: alive.port, instance: instanceId('i-2') }),
  )
  const client = await RawClient.to(edge.port)
  client.send(get('/', 'Connection: close\r\n'))
  await agent.hears('acquire')
  setTimeout(() => agent.say(gone('i-1')), 100) // its connections were refused twice by then
  await client.all()
  assert.match(client.text, /^HTTP\/1.1 200 [\s\S]*alive/)
})
