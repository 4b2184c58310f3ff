import net from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { raiseOwnMainThread } from '../../runtime/src/core/priority.ts'

/**
 * The user of the wake benchmark: a process of its own that opens a new connection for each request and notes when it
 * began (before the connect) and when the first byte of the reply came. One command a line on stdin:
 * `{ id, port, host, path }`; one answer a line on stdout: `{ id, beganUs, firstByteMs, status, from }`.
 */
interface Ask {
  id: number
  port: number
  address?: string
  host: string
  path: string
  /** Tries again until something answers: for programs that are just being started. */
  patient?: boolean
}

// A user sits at another machine: being kept off this one's cores by the cloud is no part of what is measured.
raiseOwnMainThread()
// Date.now() counts whole ms; the difference to the monotonic clock is taken where it steps.
const wallUs = () => Math.round(wallAtZeroMs * 1000 + performance.now() * 1000)
let wallAtZeroMs = 0
for (let before = Date.now(); ; ) {
  const now = Date.now()
  if (now === before) continue
  wallAtZeroMs = now - performance.now()
  break
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const ask = JSON.parse(line) as Ask
  answered(ask).then(
    (sample) => process.stdout.write(`${JSON.stringify({ id: ask.id, ...sample })}\n`),
    (error: Error) => process.stdout.write(`${JSON.stringify({ id: ask.id, error: error.message })}\n`),
  )
})

async function answered(ask: Ask): Promise<object> {
  for (const until = performance.now() + 60_000; ; ) {
    try {
      return await request(ask)
    } catch (error) {
      if (!ask.patient || performance.now() > until) throw error
      await delay(1)
    }
  }
}

function request({ port, address = '127.0.0.1', host, path }: Ask) {
  return new Promise<object>((resolve, reject) => {
    const head = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nLittle-Timing: 1\r\n\r\n`
    const beganUs = wallUs()
    const began = performance.now()
    const socket = net.connect({ host: address, port, noDelay: true })
    let firstByteMs = 0
    let reply = ''
    socket.setTimeout(30_000, () => socket.destroy(new Error('no reply within 30 s')))
    socket.on('connect', () => socket.write(head))
    socket.on('data', (bytes: Buffer) => {
      if (firstByteMs === 0) firstByteMs = performance.now() - began
      reply += bytes.toString('latin1')
    })
    socket.on('error', reject)
    socket.on('end', () => {
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(reply)?.[1] ?? 0)
      const from = /^little-from: (.*)$/im.exec(reply)?.[1]?.trim()
      const timing = /^server-timing: (.*)$/im.exec(reply)?.[1]?.trim()
      const body = reply.slice(reply.indexOf('\r\n\r\n') + 4)
      resolve({ beganUs, firstByteMs, status, from, timing, body })
    })
  })
}
