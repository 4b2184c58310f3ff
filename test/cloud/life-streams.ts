import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { answered, deploy, runs, settledRecords } from './life-cloud.ts'
import { openWebSocket } from './life-websocket.ts'
import { cloud } from './one-cloud.ts'

/** The runs that an app was billed for since `fromMs`. */
const runsSince = async (app: string, fromMs: number) =>
  runs(await settledRecords(cloud, app)).filter(({ endUs }) => endUs > fromMs * 1000)

export const streams = () =>
  describe('what is open keeps an instance awake', { concurrency: true }, () => {
    test('a reply with gaps longer than the idle time arrives whole, out of one run', async () => {
      await deploy(cloud, 'trickle', 'node', { idleMs: 200 })
      await cloud.asleep('trickle')
      const began = Date.now()
      const { status, body } = await cloud.get('trickle', '/stream?count=6&ms=500')
      const ended = Date.now()
      assert.equal(status, 200)
      const events = [...body.matchAll(/^data: (.*)$/gm)].map(
        ([, text]) => JSON.parse(text ?? '') as { number: number },
      )
      assert.deepEqual(
        events.map(({ number }) => number),
        [1, 2, 3, 4, 5, 6],
      )
      const [run, ...others] = await runsSince('trickle', began)
      assert.ok(run && others.length === 0, 'it was not stopped in between')
      assert.ok(run.endUs / 1000 >= ended + 100, 'and stayed for the idle time after the last byte')
    })

    test('a request that says nothing for longer than the idle time is answered, out of one run', async () => {
      await deploy(cloud, 'silent', 'node', { idleMs: 100 })
      await cloud.asleep('silent')
      const began = Date.now()
      const { value } = await answered<{ sleptMs: number }>(cloud, 'silent', '/slow?ms=3000')
      assert.equal(value.sleptMs, 3_000)
      assert.equal((await runsSince('silent', began)).length, 1)
    })

    test('bytes flow both ways while a request is still being sent, each piece at once', async () => {
      await deploy(cloud, 'echo', 'node', { idleMs: 200 })
      await cloud.asleep('echo')
      const began = Date.now()
      const headers = { host: `echo.localhost:${cloud.edgePort}`, 'transfer-encoding': 'chunked' }
      const options = {
        host: '127.0.0.1',
        port: cloud.edgePort,
        method: 'POST',
        path: '/upload',
        headers,
        agent: false,
      }
      const request = http.request(options)
      request.write('piece 0')
      const [reply] = (await once(request, 'response')) as [http.IncomingMessage]
      const pieces = reply.setEncoding('utf8')[Symbol.asyncIterator]()
      assert.equal((await pieces.next()).value, 'piece 0')
      for (let piece = 1; piece <= 4; piece++) {
        await delay(500)
        request.write(`piece ${piece}`)
        assert.equal((await pieces.next()).value, `piece ${piece}`)
      }
      request.end()
      assert.equal((await pieces.next()).done, true)
      assert.equal((await runsSince('echo', began)).length, 1)
    })

    test('a WebSocket wakes its app, stays open while it sleeps, and wakes it for each message', async () => {
      await deploy(cloud, 'socket', 'node', { idleMs: 200 })
      await cloud.asleep('socket')
      const began = Date.now()
      await using socket = await openWebSocket(cloud.edgePort, `socket.localhost:${cloud.edgePort}`)
      for (let message = 1; message <= 4; message++) {
        socket.send(`message ${message}`)
        assert.equal(await socket.received(), `message ${message}`)
        await cloud.asleep('socket')
      }
      await socket.close()
      const runs = await runsSince('socket', began)
      assert.equal(runs.length, 5, 'one for each message, and one for the close')
    })

    test('a request that comes just when the idle time ends wins over sleep, 100 times', async (t) => {
      const idleMs = 100
      await deploy(cloud, 'edge-of-sleep', 'node', { idleMs }) // it has no HEALTHCHECK, which would be counted too
      await cloud.asleep('edge-of-sleep')
      const from = new Map<string, number>()
      const counted: number[] = []
      for (let round = 0; round < 100; round++) {
        const reply = await cloud.get('edge-of-sleep', '/counter', { headers: { 'little-timing': '1' } })
        assert.equal(reply.status, 200)
        counted.push((JSON.parse(reply.body) as { count: number }).count)
        const tier = String(reply.headers['little-from'])
        from.set(tier, (from.get(tier) ?? 0) + 1)
        await delay(idleMs - 5 + (round % 10))
      }
      assert.deepEqual(
        counted,
        counted.map((_, round) => counted[0]! + round),
        'each was executed once',
      )
      t.diagnostic(`found it: ${JSON.stringify(Object.fromEntries(from))}`)
    })
  })
