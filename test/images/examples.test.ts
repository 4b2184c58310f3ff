// The examples as programs on this machine; the cluster's tests deploy them.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { importImage } from '../../runtime/src/image/import.ts'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import { makeServers } from '../../scripts/images/servers.ts'
import { scratch } from './mount.ts'
import { freePort } from './registry.ts'

const examples = join(import.meta.dirname, '../../examples')

/** Starts a program that prints a line once it listens; resolves with its port. */
async function started(t: TestContext, command: string, args: string[]): Promise<number> {
  const port = await freePort()
  const child = spawn(command, args, {
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null], 'it ends well when told to')
  })
  await once(child.stdout, 'data')
  child.stdout.resume()
  return port
}

async function get(port: number, path: string, method = 'GET'): Promise<{ status: number | undefined; body: string }> {
  const asked = request({ host: '127.0.0.1', port, path, method, agent: false }).end()
  const [reply] = await once(asked, 'response')
  return { status: reply.statusCode, body: await text(reply) }
}

test('hello counts its requests, knows one path, and takes many requests on one connection', async (t) => {
  await makeServers(join(examples, 'hello'))
  const port = await started(t, join(examples, 'hello/server'), [])
  assert.match((await get(port, '/')).body, /^hello from littlecloud\nrequest 1, up \d+\.\d+ s\n$/)
  assert.equal((await get(port, '/nothing')).status, 404)
  const socket = connect(port, '127.0.0.1')
  const post = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n'
  socket.write(`GET / HTTP/1.1\r\nHost: x\r\n\r\nHEAD / HTTP/1.1\r\nHost: x\r\n\r\n${post}${'b'.repeat(20_000)}`)
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  const replies = await text(socket)
  assert.equal(replies.match(/HTTP\/1\.1 200 OK/g)?.length, 4)
  assert.deepEqual(replies.match(/request \d/g), ['request 3', 'request 5', 'request 6'])
})

test('static serves its folder and nothing beside it', async (t) => {
  await makeServers(join(examples, 'static'))
  const port = await started(t, join(examples, 'static/server'), [join(examples, 'static/site')])
  assert.match((await get(port, '/')).body, /A site that sleeps/)
  assert.match((await get(port, '/style.css?v=1')).body, /max-width/)
  for (const path of ['/../server.c', '/none', '/../..', '//etc/passwd'])
    assert.equal((await get(port, path)).status, 404, path)
  assert.deepEqual(await get(port, '/', 'HEAD'), { status: 200, body: '' })
})

test('node answers on all its paths, and echoes uploads and messages', async (t) => {
  const port = await started(t, process.execPath, [join(examples, 'node/server.mjs')])
  const json = async (path: string) => JSON.parse((await get(port, path)).body)
  assert.deepEqual([(await json('/counter')).count, (await json('/counter')).count], [1, 2])
  assert.notEqual((await json('/uuid')).uuid, (await json('/uuid')).uuid)
  assert.equal((await json('/slow?ms=1')).sleptMs, 1)
  assert.equal((await get(port, '/stream?count=3&ms=1')).body.match(/^data: /gm)?.length, 3)
  const upload = Buffer.alloc(1_000_000, 'up')
  const echoed = await fetch(`http://127.0.0.1:${port}/upload`, { method: 'POST', body: upload })
  assert.ok(Buffer.from(await echoed.arrayBuffer()).equals(upload))
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
  await once(socket, 'open')
  for (const message of ['short', 'm'.repeat(300), 'l'.repeat(100_000)]) {
    socket.send(message)
    const [event] = await once(socket, 'message')
    assert.equal(event.data, message)
  }
  socket.close()
  await once(socket, 'close')
})

test('python answers on all its paths', async (t) => {
  const port = await started(t, 'python3', [join(examples, 'python/server.py')])
  for (const path of ['/', '/time', '/uuid']) assert.equal((await get(port, path)).status, 200, path)
  assert.equal((await get(port, '/none')).status, 404)
})

test('the image of hello is made once, and says all that a run needs', async (t) => {
  const reference = await ensureExampleImage('hello')
  assert.equal(await ensureExampleImage('hello'), reference)
  const { config } = await importImage(reference, { dataDir: join(scratch(t), 'data') })
  assert.deepEqual(
    [config.entrypoint, config.exposedPorts, config.healthcheck?.intervalMs],
    [['/server'], [8080], 5_000],
  )
})
