import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Qmp, QmpClosed, QmpRefused, QmpTimeout } from './qmp.ts'

type Command = { execute: string; id?: number }

/** A program at QEMU's place that answers as told: for faults that a real one does not show on demand. */
async function scripted(t: TestContext, answer: (command: Command, socket: net.Socket) => void) {
  const dir = await mkdtemp(join(tmpdir(), 'littlecloud-qmp-'))
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    socket.write('{"QMP": {"version": {}, "capabilities": []}}\r\n')
    let rest = ''
    socket.on('data', (bytes) => {
      const lines = (rest + bytes.toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const command = JSON.parse(line) as Command
        if (command.execute === 'qmp_capabilities') socket.write(`{"return": {}, "id": ${command.id}}\r\n`)
        else answer(command, socket)
      }
    })
  })
  const path = join(dir, 'qmp')
  server.listen(path)
  await once(server, 'listening')
  t.after(async () => {
    server.close()
    await rm(dir, { recursive: true })
  })
  const qmp = await Qmp.connect(path)
  t.after(() => qmp.close())
  return qmp
}

test('answers find their question by id, in whatever order and pieces they come', async (t) => {
  const asked: Command[] = []
  const qmp = await scripted(t, (command, socket) => {
    asked.push(command)
    if (asked.length < 2) return
    const [first, second] = asked as [Command, Command]
    const text = `{"return": {"second": true}, "id": ${second.id}}\r\n{"return": {"first": true}, "id": ${first.id}}\r\n`
    for (const piece of [text.slice(0, 7), text.slice(7, 50), text.slice(50)]) socket.write(piece)
  })
  const answers = await Promise.all([qmp.execute('stop'), qmp.execute('cont')])
  assert.deepEqual(answers, [{ first: true }, { second: true }])
})

test("QEMU's refusal names the command and QEMU's own words", async (t) => {
  const qmp = await scripted(t, ({ id }, socket) => {
    socket.write(`{"error": {"class": "GenericError", "desc": "not now"}, "id": ${id}}\r\n`)
  })
  await assert.rejects(qmp.execute('migrate', { uri: 'fd:x' }), (error: Error) => {
    assert.ok(error instanceof QmpRefused)
    assert.match(error.message, /migrate.*not now/)
    return true
  })
})

test('an event carries the time at which QEMU saw it', async (t) => {
  const qmp = await scripted(t, (_command, socket) => {
    socket.write('{"event": "RESUME", "timestamp": {"seconds": 12, "microseconds": 34}}\r\n')
  })
  const resumed = qmp.next('RESUME', 5_000)
  qmp.send('cont')
  assert.deepEqual(await resumed, { event: 'RESUME', atUs: 12_000_034, data: {} })
})

test('who waits hears at once that QEMU is gone', async (t) => {
  const qmp = await scripted(t, (_command, socket) => socket.destroy())
  const closed = once(qmp, 'closed')
  await assert.rejects(qmp.execute('stop'), QmpClosed)
  await closed
  await assert.rejects(qmp.execute('cont'), QmpClosed)
})

test('a command without an answer ends with a timeout, and its late answer is dropped', async (t) => {
  let late: (() => void) | undefined
  const qmp = await scripted(t, ({ id, execute }, socket) => {
    if (execute === 'stop') late = () => socket.write(`{"return": {}, "id": ${id}}\r\n`)
    else socket.write(`{"return": {"running": true, "status": "running"}, "id": ${id}}\r\n`)
  })
  await assert.rejects(qmp.execute('stop', undefined, 20), QmpTimeout)
  late?.()
  assert.deepEqual(await qmp.execute('query-status'), { running: true, status: 'running' })
})
