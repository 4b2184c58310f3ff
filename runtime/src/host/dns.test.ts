import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { after, before, test } from 'node:test'
import { startDns } from './dns.ts'

/** A resolver that answers every question with 93.184.216.34, over UDP and TCP, and counts. */
let upstream: Socket
let upstreamTcp: Server
let asked = 0
let port: number

function answerTo(message: Buffer): Buffer {
  asked++
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 93, 184, 216, 34])
  const end = message.indexOf(0, 12) + 5
  const answer = Buffer.concat([message.subarray(0, end), record])
  answer.writeUInt16BE(0x8180, 2)
  answer.writeUInt16BE(1, 6)
  answer.writeUInt16BE(0, 8)
  answer.writeUInt16BE(0, 10)
  return answer
}

before(async () => {
  upstream = createSocket('udp4')
  upstream.on('message', (message, from) => upstream.send(answerTo(message), from.port, from.address))
  upstream.bind(0, '127.0.0.1')
  await once(upstream, 'listening')
  port = upstream.address().port
  upstreamTcp = createServer((socket) => {
    socket.on('data', (bytes: Buffer) => {
      const answer = answerTo(bytes.subarray(2))
      socket.write(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 255]), answer]))
    })
  }).listen(port, '127.0.0.1')
  await once(upstreamTcp, 'listening')
})
after(() => {
  upstream.close()
  upstreamTcp.close()
})

const open = async (listenPort: number) => {
  const server = await startDns({ address: '127.0.0.1', port: listenPort, upstream: [{ address: '127.0.0.1', port }] })
  const resolver = new Resolver()
  resolver.setServers([`127.0.0.1:${listenPort}`])
  return { server, resolver }
}

test("guests' questions are answered by the host's resolvers", async (t) => {
  const { server, resolver } = await open(port + 1)
  t.after(() => server.close())
  assert.deepEqual(await resolver.resolve4('example.com'), ['93.184.216.34'])
})

test('names that only mean something on the host never leave the forwarder', async (t) => {
  const { server, resolver } = await open(port + 1)
  t.after(() => server.close())
  const before = asked
  for (const name of [
    'localhost',
    'db.localhost',
    'printer.local',
    'vm.internal',
    'router',
    '1.0.0.127.in-addr.arpa',
  ]) {
    await assert.rejects(resolver.resolve4(name), { code: 'ENOTFOUND' }, name)
  }
  assert.equal(asked, before)
})

test('a question over TCP is answered over TCP', async (t) => {
  const { server } = await open(port + 1)
  t.after(() => server.close())
  const question = Buffer.from('001d000101000001000000000000076578616d706c6503636f6d0000010001', 'hex')
  const socket = connect(port + 1, '127.0.0.1')
  socket.end(question)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  assert.deepEqual(Buffer.concat(chunks).subarray(-4), Buffer.from([93, 184, 216, 34]))
})

test('what is no question gets no answer and harms nothing', async (t) => {
  const { server, resolver } = await open(port + 1)
  t.after(() => server.close())
  const socket = createSocket('udp4')
  for (const length of [0, 5, 12, 40, 1_000, 9_000]) socket.send(Buffer.alloc(length, 0xff), port + 1, '127.0.0.1')
  assert.deepEqual(await resolver.resolve4('example.com'), ['93.184.216.34'])
  socket.close()
})
