import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../../runtime/src/bin/up/ports.ts'
import { instanceId } from '../../runtime/src/core/ids.ts'
import { get, RawClient } from './raw-client.ts'
import { grants, rawApp, setRoute, startEdge } from './start-edge.ts'
import type { Acquire, Answer } from './stub-agent.ts'

const timeout = 30_000
const idleMs = 50
const bound = { instance: instanceId('i-1'), incarnation: 1 }

/** A TCP app behind an edge, at a port of its own. */
async function tcpApp(
  t: TestContext,
  onConnection: (socket: Socket) => void,
  fields: Partial<Parameters<typeof startEdge>[2]> = {},
  answer?: (port: number) => Answer,
) {
  const app = await rawApp(t, onConnection)
  const hostPort = await freePort()
  const started = await startEdge(t, answer?.(app.port) ?? grants(() => app.port), {
    idleMs,
    tcp: { hostPort },
    ...fields,
  })
  return { ...started, port: hostPort, connect: () => RawClient.to(hostPort) }
}

/** A client that has said a word: from then on its connection has an upstream for good. What it heard is forgotten. */
async function spoken(connect: () => Promise<RawClient>): Promise<RawClient> {
  const client = await connect()
  client.send('.')
  await client.until(({ text }) => text !== '')
  client.text = ''
  return client
}

const echo = (socket: Socket) => socket.on('data', (bytes) => socket.write(bytes)).on('end', () => socket.end())
const asksForIt = ({ only }: Acquire) => only !== undefined

test('a server that speaks first is heard, though its client says nothing', { timeout }, async (t) => {
  const { connect, agent } = await tcpApp(t, (socket) => socket.write('220 welcome\r\n'))
  const client = await connect()
  await client.until(({ text }) => text === '220 welcome\r\n')
  await agent.hears('letGo')
  assert.equal(client.ended, false)
})

test('a quiet connection lets its instance sleep, and a byte on it asks for that very instance', {
  timeout,
}, async (t) => {
  const { connect, agent } = await tcpApp(t, echo)
  const client = await spoken(connect)
  for (let sleep = 1; sleep <= 5; sleep++) {
    while (agent.count('letGo') < sleep) await delay(10)
    client.send(`${sleep},`)
    await client.until(({ text }) => text.endsWith(`${sleep},`))
  }
  assert.equal(client.text, '1,2,3,4,5,')
  const asked = agent.heard.filter((message): message is Acquire => message.type === 'acquire')
  assert.deepEqual(
    asked.map(({ only }) => only),
    [undefined, bound, bound, bound, bound, bound],
  )
})

test('nothing is written to an instance before it is granted, and then all of it once', { timeout }, async (t) => {
  let seen = ''
  let late: (() => void) | undefined
  const { connect, agent } = await tcpApp(
    t,
    (socket) => {
      echo(socket)
      socket.on('data', (bytes) => {
        seen += bytes.toString()
      })
    },
    {},
    (port) => (asked, agent) => {
      if (!asked.only) return agent.grant(asked, { port })
      late = () => agent.say(agent.grant(asked, { port }))
      return undefined
    },
  )
  const client = await spoken(connect)
  await agent.hears('letGo')
  client.send('one ')
  await agent.hears('acquire', asksForIt)
  client.send('two ')
  await delay(100)
  assert.equal(seen, '.')
  late?.()
  await client.until(({ text }) => text === 'one two ')
  assert.equal(seen, '.one two ')
})

test('a client that spoke last is waited for, and the idle time begins at the answer', { timeout }, async (t) => {
  let answeredAt = 0
  const { connect, agent } = await tcpApp(
    t,
    (socket) =>
      socket.once('data', async () => {
        await delay(12 * idleMs)
        answeredAt = agent.count('letGo')
        socket.write('done')
      }),
    { maxBusyMs: 60_000 },
  )
  const client = await connect()
  client.send('work')
  await client.until(({ text }) => text === 'done')
  assert.equal(answeredAt, 0, 'it was held all the while')
  await agent.hears('letGo')
})

test('a client that is never answered is waited for as long as the release allows', { timeout }, async (t) => {
  const { connect, agent } = await tcpApp(t, (socket) => socket.resume(), { maxBusyMs: 600 })
  const client = await connect()
  const began = performance.now()
  client.send('subscribe')
  await agent.hears('letGo')
  assert.ok(performance.now() - began >= 600, `let go after ${performance.now() - began} ms`)
})

test('an end of the client wakes the app, which hears it and has the last word', { timeout }, async (t) => {
  const { connect, agent } = await tcpApp(t, (socket) => {
    socket.once('data', () => socket.write('hello')).on('end', () => socket.end('goodbye'))
  })
  const client = await spoken(connect)
  await agent.hears('letGo')
  client.socket.end()
  assert.equal(await client.all(), 'goodbye')
  await agent.hears('acquire', asksForIt)
})

test('a connection on which nothing is said costs the app none, and gets one with its first byte', {
  timeout,
}, async (t) => {
  let connected = 0
  const ended = Promise.withResolvers<void>()
  const { connect, agent, registry } = await tcpApp(t, (socket) => {
    connected++
    echo(socket).once('end', () => ended.resolve())
  })
  const client = await connect()
  await ended.promise
  await agent.hears('letGo')
  assert.equal(client.ended, false)
  assert.match(await registry.metrics(), /little_edge_tunnels 0/)
  client.send('hello')
  await client.until(({ text }) => text === 'hello')
  assert.equal(connected, 2)
  client.socket.destroy()
})

test('a client that breaks off leaves no connection in the app', { timeout }, async (t) => {
  const ended = Promise.withResolvers<void>()
  const { connect, agent } = await tcpApp(t, (socket) => echo(socket).on('end', () => ended.resolve()))
  const client = await spoken(connect)
  await agent.hears('letGo')
  client.socket.resetAndDestroy()
  await ended.promise
})

test('when the instance is no more its sleeping connections break off, and the reason is counted', {
  timeout,
}, async (t) => {
  const { connect, agent, registry } = await tcpApp(t, echo)
  const client = await spoken(connect)
  const failed = once(client.socket, 'error')
  await agent.hears('letGo')
  const reason = { code: 'app.crashed', message: 'it crashed', hint: 'wait' }
  agent.say({ type: 'gone', ...bound, reason })
  const [error] = (await failed) as [NodeJS.ErrnoException]
  assert.equal(error.code, 'ECONNRESET')
  assert.match(await registry.metrics(), /little_edge_tunnels_broken_total\{code="app.crashed"\} 1/)
  assert.match(await registry.metrics(), /little_edge_tunnels 0/)
})

test('an instance that cannot be had any more breaks the connection that asks for it', { timeout }, async (t) => {
  const { connect, agent } = await tcpApp(t, echo, {}, (port) => (asked, agent) => {
    const refusal = { code: 'hold.no_such_instance', message: 'gone', hint: 'connect again' }
    return asked.only ? { type: 'refused', id: asked.id, ...refusal } : agent.grant(asked, { port })
  })
  const client = await spoken(connect)
  const failed = once(client.socket, 'error')
  await agent.hears('letGo')
  client.send('anybody?')
  await failed
})

test('bytes that come just when the idle time ends are passed on once each, 300 times', { timeout }, async (t) => {
  const { connect, agent } = await tcpApp(t, echo, { idleMs: 20 })
  const client = await connect()
  let expected = ''
  for (let round = 0; round < 300; round++) {
    const word = `${round} `
    expected += word
    client.send(word)
    await client.until(({ text }) => text.length >= expected.length)
    await delay(17 + (round % 7))
  }
  assert.equal(client.text, expected)
  assert.ok(agent.count('letGo') > 50, `it slept ${agent.count('letGo')} times`)
})

test('much goes both ways at the pace of a client that stops reading for longer than the idle time', {
  timeout,
}, async (t) => {
  const { connect, agent } = await tcpApp(t, echo)
  const client = await connect()
  const sent = randomBytes(16 * 1024 * 1024).toString('latin1')
  client.socket.pause()
  client.send(sent)
  const letGoBefore = agent.count('letGo')
  while (agent.count('letGo') === letGoBefore) await delay(20)
  client.socket.resume()
  await client.until(({ text }) => text.length >= sent.length)
  assert.ok(client.text === sent, 'what comes back is what was sent')
})

test('an agent that comes back is asked again by those who wait', { timeout }, async (t) => {
  let answering = true
  const { connect, agent } = await tcpApp(
    t,
    echo,
    {},
    (port) => (asked, agent) => (asked.only && !answering ? undefined : agent.grant(asked, { port })),
  )
  const client = await spoken(connect)
  await agent.hears('letGo')
  answering = false
  client.send('hello?')
  await agent.hears('acquire', asksForIt)
  await agent.die()
  answering = true
  await agent.comeBack()
  await client.until(({ text }) => text === 'hello?')
})

test('a WebSocket that moves no byte lets its app sleep, and wakes it with the next one', { timeout }, async (t) => {
  const app = await rawApp(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      echo(socket)
    })
  })
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
    { idleMs },
  )
  const client = await RawClient.to(edge.port)
  client.send(get('/', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'))
  await client.until(({ text }) => text.endsWith('\r\n\r\n'))
  for (let sleep = 1; sleep <= 3; sleep++) {
    while (agent.count('letGo') < sleep) await delay(10)
    client.send(`<${sleep}>`)
    await client.until(({ text }) => text.endsWith(`<${sleep}>`))
  }
  assert.ok(client.text.endsWith('\r\n\r\n<1><2><3>'))
  client.socket.destroy()
})

test('when another release takes over, a quiet connection to the old one breaks off, one at work after its answer', {
  timeout,
}, async (t) => {
  const { connect, routes, agent, port } = await tcpApp(
    t,
    (socket) =>
      socket.on('data', async (bytes) => {
        if (bytes.toString() === 'work') await delay(10 * idleMs)
        socket.write('done')
      }),
    { maxBusyMs: 60_000 },
  )
  const [quiet, busy] = [await connect(), await connect()]
  quiet.send('hello')
  await quiet.until(({ text }) => text === 'done')
  busy.send('work')
  const ended = once(quiet.socket, 'error')
  setRoute(routes, [agent.node], { number: 2, idleMs, tcp: { hostPort: port } })
  await ended
  await busy.until(({ text }) => text === 'done')
  while (!busy.ended) await delay(10)
})

test('a port whose app is removed is not listened on any more', { timeout }, async (t) => {
  const { connect, routes } = await tcpApp(t, echo)
  const client = await connect()
  const route = routes.byHost('hello.localhost')
  assert.ok(route)
  routes.remove(route.team, route.app)
  await assert.rejects(connect(), /ECONNREFUSED/)
  client.socket.destroy()
})
