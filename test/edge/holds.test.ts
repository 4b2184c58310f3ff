import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { holdId, instanceId } from '../../runtime/src/core/ids.ts'
import { waitingRoomDepth } from '../../runtime/src/edge/app-holds.ts'
import { holdExpiryMs } from '../../runtime/src/fabric/hold.ts'
import { ask, get, RawClient } from './raw-client.ts'
import { grants, httpApp, rawApp, setRoute, startEdge } from './start-edge.ts'
import { StubAgent } from './stub-agent.ts'

const timeout = 15_000
const close = 'Connection: close\r\n'
const refusal = (id: number, code: string) => ({
  type: 'refused' as const,
  id,
  code,
  message: `because of ${code}`,
  hint: 'wait',
})
const reply = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** An app that answers when the test says so; `asked` tells how many requests are there. */
async function patientApp(t: Parameters<typeof rawApp>[0]) {
  const waiting: Socket[] = []
  let changed = () => {}
  const app = await rawApp(t, (socket) => {
    socket.on('data', () => {
      waiting.push(socket)
      changed()
    })
  })
  return {
    port: app.port,
    waiting,
    async holds(count: number) {
      while (waiting.length < count) await new Promise<void>((resolve) => (changed = resolve))
    },
    answer: () => waiting.shift()?.write(reply),
  }
}

test('a wake is told in the reply that waited for it, and only there', { timeout }, async (t) => {
  const app = await httpApp(t, (_req, res) => res.end('hi'))
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  assert.match(
    await ask(edge.port, get('/', close)),
    /Server-Timing: wake;dur=[\d.]+, hold;dur=1.500, resume;dur=0.500, clock;dur=0.250\r\nLittle-From: parked\r\n/,
  )
  assert.doesNotMatch(await ask(edge.port, get('/', close)), /Server-Timing/)
  assert.match(await ask(edge.port, get('/', `Little-Timing: 1\r\n${close}`)), /wake;dur=0.000\r\nLittle-From: running/)
})

test('a grant may come in two parts: only the second lets requests go, and a refusal may take its place', {
  timeout,
}, async (t) => {
  let asked = 0
  const app = await httpApp(t, (_req, res) => {
    asked++
    res.end('hi')
  })
  let end: 'awake' | 'refused' = 'refused'
  const { edge } = await startEdge(t, (acquire, agent) => {
    const { from, timing, ...where } = agent.grant(acquire, { port: app.port })
    agent.say({ ...where, type: 'waking' })
    setTimeout(() => {
      assert.equal(asked, 0)
      if (end === 'awake') agent.say({ type: 'awake', id: acquire.id, from, timing })
      else agent.say(refusal(acquire.id, 'instance.hang'))
    }, 100)
    return undefined
  })
  assert.match(await ask(edge.port, get('/', close)), /^HTTP\/1.1 503[\s\S]*because of instance.hang/)
  end = 'awake'
  assert.match(await ask(edge.port, get('/', close)), /^HTTP\/1.1 200[\s\S]*hold;dur=1.500[\s\S]*Little-From: parked/)
})

test('ten requests at once share one acquire', { timeout }, async (t) => {
  const app = await httpApp(t, (_req, res) => res.end('hi'))
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
  )
  const replies = await Promise.all(Array.from({ length: 10 }, () => ask(edge.port, get('/', close))))
  assert.ok(replies.every((text) => text.startsWith('HTTP/1.1 200')))
  assert.equal(agent.count('acquire'), 1)
})

test('requests beyond the soft limit get another instance, and each is told which ones are used up', {
  timeout,
}, async (t) => {
  const app = await patientApp(t)
  let instances = 0
  const { edge, agent } = await startEdge(
    t,
    (asked, agent) =>
      agent.grant(asked, { port: app.port, soft: 2, hard: 4, instance: instanceId(`i-${++instances}`) }),
    { concurrency: { soft: 2, hard: 4 } },
  )
  const first = [ask(edge.port, get('/', close)), ask(edge.port, get('/', close))]
  await app.holds(2)
  const third = ask(edge.port, get('/', close))
  await app.holds(3)
  const second = await agent.hears('acquire', ({ not }) => not.length > 0)
  assert.deepEqual(second.not, ['i-1'])
  for (let i = 0; i < 3; i++) app.answer()
  for (const text of await Promise.all([...first, third])) assert.match(text, /ok$/)
})

for (const code of ['hold.at_limit', 'hold.starting']) {
  test(`on ${code} the held instance is filled up to hard, the rest wait for a slot`, { timeout }, async (t) => {
    const app = await patientApp(t)
    const { edge } = await startEdge(
      t,
      (asked, agent) =>
        asked.not.length === 0 ? agent.grant(asked, { port: app.port, soft: 1, hard: 2 }) : refusal(asked.id, code),
      { concurrency: { soft: 1, hard: 2 } },
    )
    const asked = [ask(edge.port, get('/', close))]
    await app.holds(1)
    asked.push(ask(edge.port, get('/', close)), ask(edge.port, get('/', close)))
    await app.holds(2)
    assert.equal(app.waiting.length, 2)
    app.answer()
    await app.holds(2)
    app.answer()
    app.answer()
    for (const text of await Promise.all(asked)) assert.match(text, /ok$/)
  })
}

test('when a start is announced as done, those who wait get it', { timeout }, async (t) => {
  const app = await httpApp(t, (_req, res) => res.end('hi'))
  let started = false
  const { edge, agent } = await startEdge(t, (asked, agent) =>
    started ? agent.grant(asked, { port: app.port, from: 'started' }) : refusal(asked.id, 'hold.starting'),
  )
  const asked = ask(edge.port, get('/', close))
  const { team, app: name } = await agent.hears('acquire')
  started = true
  agent.say({ type: 'available', team, app: name })
  assert.match(await asked, /Little-From: started[\s\S]*hi$/)
})

test('a refusal is told to the client as it is', { timeout }, async (t) => {
  const { edge } = await startEdge(t, (asked) => refusal(asked.id, 'budget.spent'))
  assert.match(await ask(edge.port, get()), /^HTTP\/1.1 503 [\s\S]*Retry-After: 1[\s\S]*budget.spent/)
})

test('what one node refuses another may grant', { timeout }, async (t) => {
  const app = await httpApp(t, (_req, res) => res.end('hi'))
  const full = (asked: { id: number }) => refusal(asked.id, 'node.full')
  const { edge, agent, routes } = await startEdge(t, full)
  const other = await new StubAgent(
    grants(() => app.port),
    'n-other',
  ).started()
  t.after(() => other.close())
  edge.nodes.set(other.node, { unix: other.path })
  setRoute(routes, [agent.node, other.node])
  await other.hears('hello')
  for (let i = 0; i < 5; i++) assert.match(await ask(edge.port, get('/', close)), /hi$/)
})

test('a full waiting room refuses at once and says when to come back', { timeout }, async (t) => {
  const { edge, registry } = await startEdge(t, () => undefined)
  const clients = await Promise.all(Array.from({ length: waitingRoomDepth }, () => RawClient.to(edge.port)))
  for (const client of clients) client.send(get())
  const isFull = async () => (await registry.metrics()).includes(`little_edge_waiting ${waitingRoomDepth}\n`)
  while (!(await isFull())) await delay(10)
  assert.match(await ask(edge.port, get()), /^HTTP\/1.1 503 [\s\S]*Retry-After: 1\r\n[\s\S]*edge.waiting_room_full/)
  for (const client of clients) client.socket.destroy()
})

test('who waits for too long gets a 503 that says what for', { timeout }, async (t) => {
  const { edge } = await startEdge(t, (asked) => refusal(asked.id, 'hold.starting'), { wakeDeadlineMs: 100 })
  assert.match(await ask(edge.port, get()), /^HTTP\/1.1 503 [\s\S]*edge.waited_too_long[\s\S]*because of hold.starting/)
})

test('an instance is let go when it was idle for as long as the app wants, with its accounting', {
  timeout,
}, async (t) => {
  const app = await httpApp(t, (_req, res) => setTimeout(() => res.end('hi'), 150))
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
    { idleMs: 100 },
  )
  const text = await ask(edge.port, get('/', close))
  const answeredAt = performance.now()
  assert.equal(agent.count('letGo'), 0)
  const { usage } = await agent.hears('letGo')
  const idleMs = performance.now() - answeredAt
  assert.ok(idleMs > 90, `let go after ${idleMs} ms`)
  assert.deepEqual(usage, { hold: usage.hold, requests: 1, egressBytes: Buffer.byteLength(text), inFlight: 0 })
  assert.match(await ask(edge.port, get('/', close)), /hi$/)
  assert.equal(agent.count('acquire'), 2)
})

test('a long reply keeps its instance awake', { timeout }, async (t) => {
  const app = await httpApp(t, (_req, res) => {
    res.write('a')
    setTimeout(() => res.end('b'), 200)
  })
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
    { idleMs: 30 },
  )
  await ask(edge.port, get('/', close))
  assert.equal(agent.count('letGo'), 0)
  await agent.hears('letGo')
})

test('a kept connection is used again after a sleep', { timeout }, async (t) => {
  let connections = 0
  const app = await httpApp(t, (_req, res) => res.end('hi'))
  app.server.on('connection', () => connections++)
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
    { idleMs: 30 },
  )
  await ask(edge.port, get('/', close))
  await agent.hears('letGo')
  await ask(edge.port, get('/', close))
  assert.equal(connections, 1)
})

test('a request that cannot be repeated takes no connection that slept, and leaves it to others', {
  timeout,
}, async (t) => {
  const sockets = new Set<unknown>()
  const seen: string[] = []
  const app = await httpApp(t, (req, res) => {
    sockets.add(req.socket)
    seen.push(`${req.method} on ${[...sockets].indexOf(req.socket)}`)
    req.resume().on('end', () => res.end('hi'))
  })
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
    { idleMs: 30 },
  )
  await ask(edge.port, get('/', close))
  await agent.hears('letGo')
  await ask(edge.port, `POST / HTTP/1.1\r\nHost: hello.localhost\r\nContent-Length: 0\r\n${close}\r\n`)
  await ask(edge.port, get('/', close))
  assert.deepEqual(seen, ['GET on 0', 'POST on 1', 'GET on 1'])
})

test('without keepConnections each request has a connection of its own', { timeout }, async (t) => {
  let connections = 0
  const app = await httpApp(t, (_req, res) => res.end('hi'))
  app.server.on('connection', () => connections++)
  const { edge } = await startEdge(t, (asked, agent) => agent.grant(asked, { port: app.port, keepConnections: false }))
  await ask(edge.port, get('/', close))
  await ask(edge.port, get('/', close))
  assert.equal(connections, 2)
})

test('an app that ends kept connections while it rests is asked on a new one: a POST runs exactly once', {
  timeout,
}, async (t) => {
  let posts = 0
  const app = await httpApp(t, (req, res) => {
    if (req.method === 'POST') posts++
    req.resume().on('end', () => res.end('hi'))
  })
  app.server.keepAliveTimeout = 1
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  const client = await RawClient.to(edge.port)
  const count = () => client.text.match(/HTTP\/1.1 200/g)?.length ?? 0
  for (let i = 1; i <= 200; i++) {
    client.send('POST / HTTP/1.1\r\nHost: hello.localhost\r\nContent-Length: 1\r\n\r\nx')
    await client.until(() => count() === i)
  }
  assert.equal(posts, 200)
  client.socket.destroy()
})

test('a GET whose kept connection breaks is repeated once, a POST is not', { timeout }, async (t) => {
  const asked: string[] = []
  const app = await rawApp(t, (socket) => {
    let requests = 0
    socket.on('data', (bytes) => {
      asked.push(bytes.toString().slice(0, 4).trim())
      if (++requests === 1) socket.write(reply)
      else socket.destroy() // any further request on it is read, and not answered
    })
  })
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  await ask(edge.port, get('/', close))
  assert.match(await ask(edge.port, get('/', close)), /ok$/)
  assert.match(
    await ask(edge.port, 'POST / HTTP/1.1\r\nHost: hello.localhost\r\nContent-Length: 0\r\n\r\n'),
    /^HTTP\/1.1 502/,
  )
  assert.deepEqual(asked, ['GET', 'GET', 'GET', 'POST'])
})

test('a gone instance is not asked again, and its reason is told', { timeout }, async (t) => {
  const app = await patientApp(t)
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
  )
  const asked = ask(edge.port, 'POST / HTTP/1.1\r\nHost: hello.localhost\r\nContent-Length: 0\r\n\r\n')
  await app.holds(1)
  const reason = { code: 'app.crashed', message: 'the app crashed: out of memory', hint: 'give it more with -m' }
  agent.say({ type: 'gone', instance: instanceId('i-1'), incarnation: 1, reason })
  assert.match(await asked, /^HTTP\/1.1 502 [\s\S]*out of memory/)
  const again = ask(edge.port, get('/', close))
  await app.holds(2)
  app.waiting.forEach((socket) => void socket.write(reply))
  assert.match(await again, /ok$/)
  assert.equal(agent.count('acquire'), 2)
})

test('a shrunk hold takes no more than it may, and nothing in flight is lost', { timeout }, async (t) => {
  const app = await patientApp(t)
  let grantsLeft = 1
  const { edge, agent } = await startEdge(t, (asked, agent) =>
    grantsLeft-- > 0 ? agent.grant(asked, { port: app.port }) : refusal(asked.id, 'hold.at_limit'),
  )
  const asked = [ask(edge.port, get('/', close)), ask(edge.port, get('/', close))]
  await app.holds(2)
  const hold = holdId('h-1')
  agent.say({ type: 'shrink', hold, soft: 0, hard: 0 })
  assert.deepEqual(await agent.hears('shrunk'), { type: 'shrunk', hold, soft: 0, hard: 0 })
  app.answer()
  app.answer()
  for (const text of await Promise.all(asked)) assert.match(text, /ok$/)
  assert.equal((await agent.hears('letGo')).usage.requests, 2)
})

test('a restarted agent is told what is held, and no request notices', { timeout }, async (t) => {
  const app = await patientApp(t)
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
  )
  const asked = ask(edge.port, get('/', close))
  await app.holds(1)
  await agent.die()
  const meanwhile = ask(edge.port, get('/', close))
  await app.holds(2)
  await agent.comeBack()
  const hello = await agent.hears('hello', ({ holds }) => holds.length > 0)
  assert.deepEqual(hello.holds, [{ hold: 'h-1', instance: 'i-1', incarnation: 1, soft: 20, hard: 100 }])
  app.answer()
  app.answer()
  assert.match(await asked, /ok$/)
  assert.match(await meanwhile, /ok$/)
})

test('a request that finds the agent away waits for it', { timeout }, async (t) => {
  const app = await httpApp(t, (_req, res) => res.end('hi'))
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
  )
  await agent.die()
  const asked = ask(edge.port, get('/', close))
  await agent.comeBack()
  assert.match(await asked, /hi$/)
})

test('a hold of an agent that stays away is no longer used', { timeout: 30_000 }, async (t) => {
  const app = await httpApp(t, (_req, res) => res.end('hi'))
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
    { idleMs: 10_000, wakeDeadlineMs: 200 },
  )
  assert.match(await ask(edge.port, get('/', close)), /hi$/)
  await agent.die()
  assert.match(await ask(edge.port, get('/', close)), /hi$/)
  const deadline = performance.now() + 10_000
  let text = ''
  do {
    text = await ask(edge.port, get('/', close))
    await new Promise((resolve) => setTimeout(resolve, 100))
  } while (text.endsWith('hi') && performance.now() < deadline)
  assert.match(text, /^HTTP\/1.1 503 [\s\S]*cannot be reached/)
})

test('who waits when an agent comes back after the holds have expired is asked for after the hello, and answered', {
  timeout: 30_000,
}, async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] }) // neither renewed, nor swept away before the agent is back
  const app = await httpApp(t, (_req, res) => res.end('hi'))
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
    { idleMs: 60_000, wakeDeadlineMs: 20_000 },
  )
  assert.match(await ask(edge.port, get('/', close)), /hi$/)
  await agent.die()
  await delay(holdExpiryMs)
  const asked = ask(edge.port, get('/', close))
  agent.heard.length = 0
  await agent.comeBack()
  assert.match(await asked, /hi$/)
  assert.deepEqual(
    agent.heard.slice(0, 2).map(({ type }) => type),
    ['hello', 'acquire'],
  )
})

test('holds are renewed with their accounting', { timeout }, async (t) => {
  const app = await patientApp(t)
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
  )
  const asked = ask(edge.port, get('/', close))
  await app.holds(1)
  const { usage } = await agent.hears('renew', ({ usage }) => usage.length > 0)
  assert.deepEqual(usage, [{ hold: 'h-1', requests: 1, egressBytes: 0, inFlight: 1 }])
  app.answer()
  await asked
})

test('metrics tell wakes by where they came from', { timeout }, async (t) => {
  const app = await httpApp(t, (_req, res) => res.end('hi'))
  const { edge, registry } = await startEdge(
    t,
    grants(() => app.port),
  )
  await ask(edge.port, get('/', close))
  await ask(edge.port, get('/', close))
  const text = await registry.metrics()
  assert.match(text, /little_edge_wake_seconds_count\{from="parked"\} 1\n/)
  assert.match(text, /little_edge_first_byte_seconds_count\{from="held"\} 1\n/)
  assert.match(text, /little_app_requests_total\{app="t\/hello"\} 2\n/)
  assert.match(text, /little_app_wakes_total\{app="t\/hello"\} 1\n/)
})
