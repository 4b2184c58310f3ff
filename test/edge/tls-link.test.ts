import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createConnection } from 'node:net'
import { test } from 'node:test'
import { createServer } from 'node:tls'
import { ask, get } from './raw-client.ts'
import { grants, httpApp, setRoute, startEdge } from './start-edge.ts'
import { StubAgent } from './stub-agent.ts'

const psk = Buffer.alloc(32, 7)

/** The stub agent behind TLS with a shared key, as an agent on another machine is. */
async function tlsInFrontOf(t: Parameters<typeof httpApp>[0], agent: StubAgent): Promise<number> {
  const server = createServer({
    ciphers: 'PSK',
    maxVersion: 'TLSv1.2',
    pskCallback: (_socket, identity) => (identity === 'e-1' ? psk : null),
  })
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {})
    socket.pipe(createConnection(agent.path).on('error', () => {})).pipe(socket)
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

test('a node on another machine is asked through TLS with a shared key', { timeout: 15_000 }, async (t) => {
  const app = await httpApp(t, (_req, res) => res.end('hi'))
  const { edge, routes } = await startEdge(t, () => undefined)
  const far = await new StubAgent(
    grants(() => app.port),
    'n-far',
  ).started()
  t.after(() => far.close())
  const port = await tlsInFrontOf(t, far)
  setRoute(routes, [far.node])
  edge.nodes.set(far.node, { tcp: { host: '127.0.0.1', port, pskIdentity: 'e-1', psk } })
  await far.hears('hello')
  assert.match(await ask(edge.port, get('/', 'Connection: close\r\n')), /hi$/)
})

test('without the right key no agent is spoken to', { timeout: 15_000 }, async (t) => {
  const { edge, routes } = await startEdge(t, () => undefined, { wakeDeadlineMs: 300 })
  const far = await new StubAgent(() => undefined, 'n-far').started()
  t.after(() => far.close())
  const port = await tlsInFrontOf(t, far)
  setRoute(routes, [far.node], { wakeDeadlineMs: 300 })
  edge.nodes.set(far.node, { tcp: { host: '127.0.0.1', port, pskIdentity: 'e-1', psk: Buffer.alloc(32, 8) } })
  assert.match(await ask(edge.port, get()), /^HTTP\/1.1 503/)
  assert.equal(far.heard.length, 0)
})
