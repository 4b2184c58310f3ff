import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Release } from '../model/release.ts'
import { warmUp, warmUpAgent } from './warm-up.ts'

const release = (warm?: Release['warm']) => ({ ...(warm && { warm }) }) as Release

async function listen(t: TestContext, server: net.Server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

test('an app sees at most three warm-up requests, all marked as such', async (t) => {
  const seen: http.IncomingMessage[] = []
  const server = http.createServer((request, response) => {
    seen.push(request)
    response.end('hello')
  })
  const result = await warmUp('127.0.0.1', await listen(t, server), release())
  assert.deepEqual(result, { keepConnections: true, requests: 3 })
  assert.deepEqual(
    seen.map(({ method, url, headers }) => [method, url, headers['user-agent']]),
    Array(3).fill(['GET', '/', warmUpAgent]),
  )
})

test('--warm says where and how often', async (t) => {
  const seen: (string | undefined)[] = []
  const server = http.createServer((request, response) => {
    seen.push(request.url)
    response.end()
  })
  await warmUp('127.0.0.1', await listen(t, server), release({ path: '/ready', times: 5 }))
  assert.deepEqual(seen, Array(5).fill('/ready'))
})

test('an app that answers one connection at a time gets none that idles', async (t) => {
  const waiting: net.Socket[] = []
  let busy = false
  const serveNext = () => {
    const socket = busy ? undefined : waiting.shift()
    if (!socket) return
    busy = true
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'))
    socket.on('close', () => {
      busy = false
      serveNext()
    })
  }
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    waiting.push(socket)
    serveNext()
  })
  const result = await warmUp('127.0.0.1', await listen(t, server), release())
  assert.equal(result.keepConnections, false)
})

test('an app that does not speak HTTP is left alone after the first try', async (t) => {
  let connections = 0
  const server = net.createServer((socket) => {
    connections++
    socket.end('+PONG\r\n')
    socket.on('error', () => {})
  })
  const result = await warmUp('127.0.0.1', await listen(t, server), release())
  assert.deepEqual({ ...result, connections }, { keepConnections: true, requests: 1, connections: 1 })
})
