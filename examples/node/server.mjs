// What a Node program usually does, on node:http alone: time, random values, slow work, uploads, streams, a WebSocket.
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { echo } from './websocket.mjs'

const startedAt = Date.now()
let count = 0
/** Of this process alone: tells which instance answered. */
const instance = randomUUID()
let slowRequests = 0

const routes = {
  '/': (_, reply) => json(reply, { message: 'hello from node', node: process.version, pid: process.pid, startedAt }),
  '/time': (_, reply) => json(reply, { now: Date.now(), monotonicMs: performance.now() }),
  '/uuid': (_, reply) =>
    json(reply, { uuid: randomUUID(), bytes: randomBytes(16).toString('hex'), random: Math.random() }),
  '/counter': (_, reply) => json(reply, { count: ++count }),
  '/slow': async (_, reply, query) => {
    const ms = Math.min(Number(query.get('ms') ?? 1000) || 0, 600_000)
    const number = ++slowRequests
    await sleep(ms)
    json(reply, { sleptMs: ms, instance, number })
  },
  // The bytes back as they come; with ?digest only their number and sha256.
  '/upload': async (request, reply, query) => {
    if (!query.has('digest')) {
      reply.writeHead(200, { 'content-type': request.headers['content-type'] ?? 'application/octet-stream' })
      request.pipe(reply)
      return
    }
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of request) {
      hash.update(chunk)
      bytes += chunk.length
    }
    json(reply, { bytes, sha256: hash.digest('hex') })
  },
  // Server-sent events: ?count=, ?ms= between them.
  '/stream': async (request, reply, query) => {
    const events = Math.min(Number(query.get('count') ?? 5) || 0, 100_000)
    const everyMs = Number(query.get('ms') ?? 200) || 0
    reply.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    for (let number = 1; number <= events && !request.destroyed && !reply.destroyed; number++) {
      reply.write(`data: ${JSON.stringify({ number, now: Date.now() })}\n\n`)
      await sleep(everyMs)
    }
    reply.end()
  },
}

function json(reply, value, status = 200) {
  reply.writeHead(status, { 'content-type': 'application/json' })
  reply.end(`${JSON.stringify(value)}\n`)
}

const server = createServer(async (request, reply) => {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost')
  reply.on('finish', () => console.log(`${request.method} ${request.url} ${reply.statusCode}`))
  try {
    const route = routes[pathname]
    if (route) await route(request, reply, searchParams)
    else json(reply, { error: 'not found' }, 404)
  } catch (error) {
    console.error(error)
    if (reply.headersSent) reply.destroy()
    else json(reply, { error: 'internal' }, 500)
  }
})
server.on('upgrade', echo)
server.keepAliveTimeout = 0 // the edge decides how long a connection is kept
server.listen(Number(process.env.PORT ?? 3000), '0.0.0.0', () =>
  console.log(`listening on port ${server.address().port}`),
)

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    server.close(() => process.exit(0))
    server.closeIdleConnections()
  })
}
