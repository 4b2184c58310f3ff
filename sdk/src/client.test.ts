import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Client, LittleCloudError } from './index.ts'
import { readNdjson } from './ndjson.ts'

async function serve(t: TestContext, listener: RequestListener): Promise<Client> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  t.after(() => server.closeAllConnections())
  return new Client({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 't' })
}

const code = (expected: string) => (error: unknown) => error instanceof LittleCloudError && error.code === expected

test('a stream that ends before its last event, in the middle of a line or of the connection, is cut off', async (t) => {
  const ends = ['', '{"type":"step","step":"image","message":"","tookMs":1}\n', '{"type":"st']
  for (const text of ends) {
    const client = await serve(t, (_, answer) => answer.end(text))
    await assert.rejects(Array.fromAsync(client.deploy('a', { image: 'x' })), code('cloud.cut_off'))
  }
  const client = await serve(t, (_, answer) => {
    answer.write('\n')
    setImmediate(() => answer.destroy())
  })
  await assert.rejects(Array.fromAsync(client.deploy('a', { image: 'x' })), code('cloud.cut_off'))
})

test('a stream is given up after a silence, and empty lines are no silence', async () => {
  let push: (text: string) => void = () => {}
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      push = (text) => controller.enqueue(Buffer.from(text))
    },
  })
  const lines = readNdjson<number>(body, 'the end', 100)
  push('1\n\n\n2')
  assert.equal((await lines.next()).value, 1)
  await assert.rejects(lines.next(), /silent for 0.1 s/)
})

test('letters that are split between two chunks stay whole', async () => {
  const bytes = Buffer.from('"grün"\n')
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
      controller.close()
    },
  })
  assert.deepEqual(await Array.fromAsync(readNdjson(body, 'the end')), ['grün'])
})

test('an error of the cloud keeps its code, and an answer of another program is not taken for one', async (t) => {
  const error = { code: 'app.unknown', message: 'there is no app x', hint: 'See little apps' }
  const ours = await serve(t, (_, answer) => answer.writeHead(404).end(JSON.stringify({ error })))
  await assert.rejects(ours.app('x'), code('app.unknown'))
  const others = await serve(t, (_, answer) => answer.writeHead(502).end('<html>Bad Gateway</html>'))
  await assert.rejects(others.apps(), code('cloud.not_littlecloud'))
  await assert.rejects(new Client({ url: 'http://127.0.0.1:1' }).apps(), code('cloud.unreachable'))
})

test('the token goes with every call, and names are escaped', async (t) => {
  const seen: string[] = []
  const client = await serve(t, (request, answer) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization}`)
    answer.end('[]')
  })
  await client.releases('../a b')
  await client.cost('hour', { from: 5 })
  assert.deepEqual(seen, ['GET /v1/apps/..%2Fa%20b/releases Bearer t', 'GET /v1/cost?by=hour&from=5 Bearer t'])
})
