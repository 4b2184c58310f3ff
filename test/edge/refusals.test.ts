// Requests that no app is asked, and replies that no client is given: each is a clear error instead.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, get } from './raw-client.ts'
import { grants, rawApp, startEdge } from './start-edge.ts'

const timeout = 15_000

test('what an app says in no HTTP is a 502 that says so', { timeout }, async (t) => {
  const app = await rawApp(t, (socket) => socket.write('+OK this is redis\r\n\r\n'))
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  assert.match(await ask(edge.port, get()), /^HTTP\/1.1 502 [\s\S]*edge.(bad_reply|app_closed)/)
})

test('nobody at the app’s port is a 502 that names it', { timeout }, async (t) => {
  const app = await rawApp(t, () => {})
  app.server.close()
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  const reply = await ask(edge.port, get())
  assert.match(reply, /^HTTP\/1.1 502 /)
  assert.ok(reply.includes(`port ${app.port}`))
})

test('bad requests are refused before any app is asked', { timeout }, async (t) => {
  const { edge, agent } = await startEdge(t, () => undefined)
  const host = 'Host: hello.localhost\r\n'
  const cases: [string, number][] = [
    [`GET / HTTP/1.1\r\n\r\n`, 400],
    [`POST / HTTP/1.1\r\n${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
    [`GET / HTTP/2.0\r\n${host}\r\n`, 505],
    [`GET / HTTP/1.1\r\n${host}X: ${'x'.repeat(40_000)}\r\n\r\n`, 431],
    [`POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n`, 501],
    [`GET / HTTP/1.1\r\n${host}Expect: cake\r\n\r\n`, 417],
    [`GET / HTTP/1.1\r\nHost: nobody.localhost\r\n\r\n`, 404],
  ]
  for (const [text, status] of cases) assert.match(await ask(edge.port, text), new RegExp(`^HTTP/1.1 ${status} `))
  assert.equal(agent.count('acquire'), 0)
})

test('a browser gets a page, a program gets JSON', { timeout }, async (t) => {
  const { edge } = await startEdge(t, () => undefined)
  const unknown = (accept: string) =>
    `GET / HTTP/1.1\r\nHost: <b>.localhost\r\nAccept: ${accept}\r\n\r\n`.replace('<b>', 'x')
  assert.match(await ask(edge.port, unknown('text/html,*/*')), /text\/html[\s\S]*No app answers at x.localhost/)
  const json = await ask(edge.port, unknown('*/*'))
  assert.equal(JSON.parse(json.slice(json.indexOf('\r\n\r\n'))).error.code, 'edge.unknown_host')
})

test('an app that switches protocols unasked, or sends what no client can read, is a 502', { timeout }, async (t) => {
  const says = ['HTTP/1.1 101 Switching Protocols\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n']
  const app = await rawApp(t, (socket) => socket.once('data', () => socket.write(says.shift() as string)))
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  assert.match(await ask(edge.port, get()), /^HTTP\/1.1 502 [\s\S]*edge.bad_reply/)
  assert.match(await ask(edge.port, get()), /^HTTP\/1.1 502 [\s\S]*edge.bad_reply/)
})

test('an app that ends in the middle of its head is a 502, not a reply without a byte', { timeout }, async (t) => {
  const app = await rawApp(t, (socket) => socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n')))
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  assert.match(await ask(edge.port, get()), /^HTTP\/1.1 502 [\s\S]*edge.bad_reply/)
})

test('malformed chunks in mid-reply break the connection off', { timeout }, async (t) => {
  const app = await rawApp(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nx\r\n'))
  })
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  assert.doesNotMatch(await ask(edge.port, get()), /0\r\n\r\n$/)
})
