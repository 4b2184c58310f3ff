import { createConnection, type Socket } from 'node:net'
import { cpuMs } from './cpu.ts'

/**
 * A load client: 64 keep-alive connections, each with one request at a time. It runs as a process of its own, costs
 * little per request, and checks that each reply is whole: by its length, or by its last chunk (HAProxy cuts chunks anew).
 *
 * The proxy's CPU time is read over the same span as the requests are counted: 64 new connections, and as many new ones
 * to the backend, cost a proxy some 20 ms, which is 5 µs per request where few requests come through.
 *
 *   load.ts PORT PATH BYTES_OF_A_REPLY_BODY|chunked SECONDS PID_OF_THE_PROXY
 */
const [port, path, bodyBytes, seconds, proxyPid] = [
  Number(process.argv[2]),
  process.argv[3] as string,
  Number(process.argv[4]), // NaN: chunked
  Number(process.argv[5]),
  Number(process.argv[6]),
]
const connections = 64
const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n`

const latenciesUs: number[] = []
let failed = 0
let measuring = false
let ending = false
let cpuUsedMs = 0
let began = 0
let tookMs = 0
let open = connections

function run(socket: Socket): void {
  let sentAt = 0
  let wanted = -1
  let got = 0
  const send = () => {
    wanted = -1
    got = 0
    sentAt = performance.now()
    socket.write(request, 'latin1')
  }
  socket.once('connect', send)
  socket.on('error', () => failed++)
  socket.on('close', () => {
    if (!ending) failed++
    if (--open === 0) report()
  })
  socket.on('data', (bytes) => {
    if (wanted < 0) wanted = bytes.indexOf('\r\n\r\n') + 4 + bodyBytes // heads are small: they come in one piece
    got += bytes.length
    if (Number.isNaN(wanted)) {
      if (bytes.toString('latin1', bytes.length - 5) !== '0\r\n\r\n') return
    } else if (got < wanted) return
    if (got > wanted) failed++
    if (measuring) latenciesUs.push((performance.now() - sentAt) * 1000)
    if (ending) socket.destroy()
    else send()
  })
}

function report(): void {
  latenciesUs.sort((a, b) => a - b)
  const at = (share: number) =>
    (latenciesUs[Math.min(latenciesUs.length - 1, Math.floor(latenciesUs.length * share))] ?? 0) / 1000
  const result = {
    requests: latenciesUs.length,
    failed,
    p50_ms: at(0.5),
    p99_ms: at(0.99),
    seconds: tookMs / 1000,
    cpuMs: cpuUsedMs,
  }
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0))
}

for (let i = 0; i < connections; i++) run(createConnection({ port, host: '127.0.0.1', noDelay: true }))
setTimeout(() => {
  measuring = true
  began = performance.now()
  cpuUsedMs = -cpuMs(proxyPid)
}, 200)
setTimeout(
  () => {
    measuring = false
    ending = true
    tookMs = performance.now() - began
    cpuUsedMs += cpuMs(proxyPid)
  },
  200 + seconds * 1000,
)
