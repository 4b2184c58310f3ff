import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, get, RawClient } from './raw-client.ts'
import { httpApp, setRoute, startEdge } from './start-edge.ts'

const timeout = 10_000
const timed = get('/', 'Little-Timing: 1\r\n')
const says = (text: string) => (client: RawClient) => client.text.includes(text)

test('who waits for a release that is replaced meanwhile, and is gone, gets the new one', { timeout }, async (t) => {
  const app = await httpApp(t, (_req, res) => res.end('hi'))
  const { edge, agent, routes } = await startEdge(t, (asked, agent) =>
    asked.release === 2 ? agent.grant(asked, { port: app.port }) : undefined,
  )
  const client = await RawClient.to(edge.port)
  client.send(timed)
  const { id } = await agent.hears('acquire', ({ release }) => release === 1)
  setRoute(routes, [agent.node], { number: 2 })
  agent.say({ type: 'refused', id, code: 'hold.no_such_release', message: 'gone', hint: '' })
  assert.match(await client.until(says('hi')), /^HTTP\/1.1 200 [\s\S]*Little-Release: 2\r\n/)
})

test('who waits for an app that is removed meanwhile is refused', { timeout }, async (t) => {
  const { edge, agent, routes } = await startEdge(t, () => undefined)
  const refused = ask(edge.port, timed)
  const { id, team, app } = await agent.hears('acquire')
  routes.remove(team, app)
  agent.say({ type: 'refused', id, code: 'hold.no_such_app', message: 'gone', hint: '' })
  assert.match(await refused, /^HTTP\/1.1 503 [\s\S]*hold.no_such_app/)
})

test('requests on one connection go to the release that is live when each of them comes', { timeout }, async (t) => {
  const apps = await Promise.all(['one', 'two'].map((name) => httpApp(t, (_req, res) => res.end(name))))
  const { edge, agent, routes } = await startEdge(t, (asked, agent) =>
    agent.grant(asked, { port: apps[asked.release - 1]!.port, instance: `i-${asked.release}` as never }),
  )
  const client = await RawClient.to(edge.port)
  client.send(timed)
  await client.until(says('one'))
  setRoute(routes, [agent.node], { number: 2 })
  client.send(timed)
  await client.until(says('two'))
})
