import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createConnection } from 'node:net'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createServer } from 'node:tls'
import { holdId, instanceId } from '../../runtime/src/core/ids.ts'
import { ask, get } from './raw-client.ts'
import { grants, httpApp, setRoute, startEdge } from './start-edge.ts'
import { StubAgent } from './stub-agent.ts'

const psk = Buffer.alloc(32, 7)

/** The stub agent behind TLS with a shared key, as an agent on another machine is. */
async function tlsInFrontOf(t: Parameters<typeof httpApp>[0], agent: StubAgent, cut?: AbortSignal): Promise<number> {
  const server = createServer({
    ciphers: 'PSK',
    maxVersion: 'TLSv1.2',
    pskCallback: (_socket, identity) => (identity === 'e-1' ? psk : null),
  })
  server.on('secureConnection', (socket) => {
    socket.on('error', () => {})
    cut?.addEventListener('abort', () => socket.destroy())
    socket.pipe(createConnection(agent.path).on('error', () => {})).pipe(socket)
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cut?.addEventListener('abort', () => server.close())
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

test('a POST to a machine that falls silent ends with 504; one to a machine that lives may take longer', async (t) => {
  const { edge, routes } = await startEdge(t, () => undefined)
  const post = 'POST / HTTP/1.1\r\nHost: hello.localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi'
  const replies: (() => void)[] = []
  const app = await httpApp(t, (_req, res) => void replies.push(() => res.end('late')))
  const far = async (name: string, cut?: AbortSignal) => {
    const answer = grants(() => app.port)
    const agent = await new StubAgent((asked, self) => {
      const granted = answer(asked, self)
      return granted?.type === 'granted'
        ? { ...granted, instance: instanceId(name), hold: holdId(`h-${name}`) }
        : granted
    }, name).started()
    t.after(() => agent.close())
    const port = await tlsInFrontOf(t, agent, cut)
    edge.nodes.set(agent.node, { tcp: { host: '127.0.0.1', port, pskIdentity: 'e-1', psk } })
    await agent.hears('hello')
    setRoute(routes, [agent.node], { number: name === 'n-dark' ? 1 : 2 })
    return agent
  }
  const dark = new AbortController()
  await far('n-dark', dark.signal)
  const lost = ask(edge.port, post)
  while (replies.length < 1) await delay(10)
  await far('n-lives')
  const slow = ask(edge.port, post)
  while (replies.length < 2) await delay(10)
  dark.abort()
  const begun = performance.now()
  assert.match(await lost, /^HTTP\/1.1 504 [\s\S]*edge.node_silent/)
  t.diagnostic(`after ${Math.round(performance.now() - begun)} ms`)
  replies[1]?.()
  assert.match(await slow, /^HTTP\/1.1 200 [\s\S]*late/)
})
