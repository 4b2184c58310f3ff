import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { createConnection } from 'node:net'
import { test } from 'node:test'
import { ask, get, RawClient } from './raw-client.ts'
import { grants, httpApp, rawApp, startEdge } from './start-edge.ts'

const timeout = 15_000
const close = 'Connection: close\r\n'
const ok = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`

test('the app gets the request as it was sent, and who sent it', { timeout }, async (t) => {
  const app = await httpApp(t, (req, res) => res.end(`${req.method} ${req.url} ${req.rawHeaders.join('|')}`))
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  const reply = await ask(
    edge.port,
    get('/a?b=c', `X-Forwarded-For: 6.6.6.6\r\nX-Own: ä\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n`),
  )
  assert.match(
    reply,
    /GET \/a\?b=c Host\|hello.localhost\|X-Own\|Ã¤\|X-Forwarded-For\|127.0.0.1\|X-Forwarded-Proto\|http\|X-Forwarded-Host\|hello.localhost$/,
  )
})

test('requests sent ahead are answered in their order, on one connection', { timeout }, async (t) => {
  const app = await httpApp(t, (req, res) => setTimeout(() => res.end(`<${req.url}>`), req.url === '/1' ? 20 : 0))
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  const reply = await ask(edge.port, get('/1') + get('/2') + get('/3', close))
  assert.deepEqual(reply.match(/<.\d>/g), ['</1>', '</2>', '</3>'])
})

test('a head that comes byte by byte is understood', { timeout }, async (t) => {
  const app = await httpApp(t, (_req, res) => res.end('fine'))
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  const client = await RawClient.to(edge.port)
  for (const char of get('/', close)) {
    client.socket.write(char)
    await new Promise(setImmediate)
  }
  assert.match(await client.all(), /fine$/)
})

test('a reply whose head comes byte by byte is passed on', { timeout }, async (t) => {
  const app = await rawApp(t, (socket) => {
    socket.once('data', async () => {
      for (const char of ok('fine')) {
        socket.write(char)
        await new Promise(setImmediate)
      }
    })
  })
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  assert.match(await ask(edge.port, get('/', close)), /fine$/)
})

test('a large upload and a large download arrive whole, without being gathered in memory', {
  timeout: 60_000,
}, async (t) => {
  const mib = 192
  const piece = randomBytes(1024 * 1024)
  const app = await httpApp(t, async (req, res) => {
    const hash = createHash('sha256')
    for await (const bytes of req) hash.update(bytes as Buffer)
    res.setHeader('X-Hash', hash.digest('hex'))
    for (let i = 0; i < mib; i++) if (!res.write(piece)) await once(res, 'drain')
    res.end()
  })
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  const wanted = createHash('sha256')
  for (let i = 0; i < mib; i++) wanted.update(piece)
  const hex = wanted.digest('hex')

  const outgoing = request({ port: edge.port, method: 'POST', headers: { Host: 'hello.localhost' } })
  let highestMib = 0
  const before = process.memoryUsage().rss
  const look = () => {
    highestMib = Math.max(highestMib, (process.memoryUsage().rss - before) / 1024 / 1024)
  }
  const answered = once(outgoing, 'response')
  for (let i = 0; i < mib; i++) {
    if (!outgoing.write(piece)) await once(outgoing, 'drain')
    look()
  }
  outgoing.end()
  const [incoming] = await answered
  const got = createHash('sha256')
  for await (const bytes of incoming) {
    got.update(bytes)
    look()
  }
  assert.equal(incoming.headers['x-hash'], hex)
  assert.equal(got.digest('hex'), hex)
  assert.ok(highestMib < 128, `${Math.round(highestMib)} MiB more than before`)
})

test('an app is slowed down to the pace of its slow client', { timeout }, async (t) => {
  let written = 0
  const piece = Buffer.alloc(256 * 1024)
  const stalled = Promise.withResolvers<void>()
  const app = await rawApp(t, (socket) => {
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${1 << 30}\r\n\r\n`)
      const more = () => {
        while (written < 1 << 30) {
          written += piece.length
          if (!socket.write(piece)) {
            clearTimeout(timer)
            timer = setTimeout(stalled.resolve, 300)
            socket.once('drain', more)
            return
          }
        }
        stalled.reject(new Error('it was not slowed down'))
      }
      let timer = setTimeout(() => {}, 0)
      more()
    })
  })
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  const client = createConnection(edge.port, '127.0.0.1')
  client.pause()
  client.write(get())
  await stalled.promise
  assert.ok(written < 64 << 20, `${written} bytes were taken from the app`)
  client.destroy()
})

test('chunks and trailers pass both ways unchanged', { timeout }, async (t) => {
  const body = '4\r\nwiki\r\n5;ext="x"\r\npedia\r\n0\r\nX-Sum: 1\r\n\r\n'
  const seen = Promise.withResolvers<string>()
  const app = await rawApp(t, (socket) => {
    let text = ''
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1')
      if (!text.endsWith('X-Sum: 1\r\n\r\n')) return
      seen.resolve(text.slice(text.indexOf('\r\n\r\n') + 4))
      socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${body}`)
    })
  })
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  const client = await RawClient.to(edge.port)
  client.send('POST / HTTP/1.1\r\nHost: hello.localhost\r\nTransfer-Encoding: chunked\r\n\r\n')
  for (const char of body) client.send(char)
  const reply = await client.until(({ text }) => text.endsWith('X-Sum: 1\r\n\r\n'))
  assert.equal(await seen.promise, body)
  assert.equal(reply.slice(reply.indexOf('\r\n\r\n') + 4), body)
  client.socket.destroy()
})

test('HEAD, 204 and 304 have no body, and the next reply is not mistaken for one', { timeout }, async (t) => {
  const app = await httpApp(t, (req, res) => {
    if (req.method === 'HEAD') res.setHeader('Content-Length', '5').end()
    else res.writeHead(Number(req.url?.slice(1))).end(req.url === '/200' ? 'last' : undefined)
  })
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  const reply = await ask(
    edge.port,
    `HEAD / HTTP/1.1\r\nHost: hello.localhost\r\n\r\n${get('/204')}${get('/304')}${get('/200', close)}`,
  )
  assert.deepEqual(reply.match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 204', 'HTTP/1.1 304', 'HTTP/1.1 200'])
  assert.match(reply, /4\r\nlast\r\n0\r\n\r\n$/)
})

test('100-continue comes from the app, and then the body goes to it', { timeout }, async (t) => {
  const app = await httpApp(t, (req, res) => void req.pipe(res))
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  const client = await RawClient.to(edge.port)
  client.send(
    'POST / HTTP/1.1\r\nHost: hello.localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n',
  )
  await client.until(({ text }) => text.includes('100 Continue\r\n\r\n'))
  assert.match(await client.send('body').all(), /200 OK[\s\S]*body/)
})

test('an answer that comes before the request is through reaches the client', { timeout }, async (t) => {
  const app = await rawApp(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!'))
  })
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
    { idleMs: 50 },
  )
  const client = await RawClient.to(edge.port)
  client.send(`POST / HTTP/1.1\r\nHost: hello.localhost\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(1000)}`)
  assert.match(await client.all(), /^HTTP\/1.1 413 [\s\S]*no!$/)
  assert.equal((await agent.hears('letGo')).usage.inFlight, 0)
})

test('an upgraded connection is a tunnel, and each side ends for itself', { timeout }, async (t) => {
  const app = await httpApp(t, (_req, res) => res.end())
  app.server.on('upgrade', (req, socket) => {
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${req.headers.upgrade}\r\n\r\n`)
    socket.on('data', (bytes) => socket.write(bytes.toString().toUpperCase()))
    socket.on('end', () => socket.end('BYE'))
  })
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
    { idleMs: 50 },
  )
  const client = await RawClient.to(edge.port)
  client.send(`${get('/', 'Connection: keep-alive, Upgrade\r\nUpgrade: echo\r\n')}early `)
  await client.until(({ text }) => text.endsWith('EARLY '))
  client.send('late ')
  await client.until(({ text }) => text.endsWith('EARLY LATE '))
  client.socket.end()
  assert.match(await client.all(), /^HTTP\/1.1 101 [\s\S]*Upgrade: echo\r\n[\s\S]*EARLY LATE BYE$/)
  assert.equal((await agent.hears('letGo')).usage.inFlight, 0)
})

test('when a client goes away, the app is told at once', { timeout }, async (t) => {
  const gone = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const app = await httpApp(t, (_req, res) => {
    res.on('close', gone.resolve)
    res.write('first')
    asked.resolve()
    const more = setInterval(() => res.write('more'), 5)
    res.on('close', () => clearInterval(more))
  })
  const { edge, agent } = await startEdge(
    t,
    grants(() => app.port),
    { idleMs: 50 },
  )
  const client = await RawClient.to(edge.port)
  client.send(get())
  await asked.promise
  client.socket.destroy()
  await gone.promise
  await agent.hears('letGo')
})

test('a client that ends its side still gets the reply', { timeout }, async (t) => {
  const app = await httpApp(t, (_req, res) => setTimeout(() => res.end('late'), 50))
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  const client = await RawClient.to(edge.port)
  client.send(get())
  client.socket.end()
  assert.match(await client.all(), /late$/)
})

test('a reply without a length ends with the connection', { timeout }, async (t) => {
  const app = await rawApp(t, (socket) => socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nold ways')))
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  assert.match(await ask(edge.port, get()), /^HTTP\/1.0 200 OK\r\nConnection: close\r\n[\s\S]*old ways$/)
})

test('an HTTP/1.0 client that asks for it keeps its connection', { timeout }, async (t) => {
  const app = await rawApp(t, (socket) => {
    socket.on('data', () => socket.write('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx'))
  })
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  const old = 'GET / HTTP/1.0\r\nHost: hello.localhost\r\nConnection: keep-alive\r\n\r\n'
  const client = await RawClient.to(edge.port)
  client.send(old)
  await client.until(({ text }) => /keep-alive\r\n[\s\S]*x$/i.test(text))
  client.send(old)
  await client.until(({ text }) => (text.match(/HTTP\/1/g)?.length ?? 0) === 2)
  client.socket.destroy()
})

test('a crash in mid-reply breaks the client’s connection off: it cannot take half for whole', {
  timeout,
}, async (t) => {
  const app = await rawApp(t, (socket) => {
    socket.once('data', () =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', () => socket.resetAndDestroy()),
    )
  })
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  const client = await RawClient.to(edge.port)
  client.send(get())
  const broken = once(client.socket, 'error')
  await Promise.race([broken, client.all()])
  assert.doesNotMatch(client.text, /0\r\n\r\n$/)
  assert.ok(client.text.length < 200)
})

test('words in between pass before the reply', { timeout }, async (t) => {
  const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n'
  const app = await rawApp(t, (socket) => socket.once('data', () => socket.write(hints + ok('fine'))))
  const { edge } = await startEdge(
    t,
    grants(() => app.port),
  )
  const reply = await ask(edge.port, get('/', close))
  assert.ok(reply.startsWith(hints))
  assert.match(reply, /HTTP\/1.1 200 OK[\s\S]*fine$/)
})
