// What a program can notice of its life: its memory, its clocks, who asked it and how many at once, its random values.
import { randomBytes, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { crc32 } from 'node:zlib'

const instance = randomUUID()
const startSecret = randomBytes(16).toString('hex')
const seen = []
const executed = []
let ticks = 0
let inFlight = 0
let mostInFlight = 0
setInterval(() => ticks++, 1000)

/** Some MiB whose checksum is made anew after each change and looked at before the next one. */
const memory = randomBytes(2 * 1024 * 1024)
let checksum = crc32(memory)
let count = 0

const clocks = () => ({ now: Date.now(), monotonicMs: performance.now(), ticks })

const routes = {
  '/': () => ({ instance }),
  '/clock': () => clocks(),
  '/seen': () => seen,
  '/ram': () => {
    const right = crc32(memory) === checksum
    memory.writeUInt32LE(++count, (count * 4099) % (memory.length - 4))
    checksum = crc32(memory)
    return { instance, right, count, checksum }
  },
  '/execute': (query) => {
    executed.push(query.get('id'))
    return clocks()
  },
  '/executed': () => executed,
  '/slow': async (query) => {
    await sleep(Number(query.get('ms')))
    return { instance, mostInFlight, ...clocks() }
  },
  '/random': async (query) => {
    await sleep(Number(query.get('ms')))
    return { instance, uuid: randomUUID(), bytes: randomBytes(16).toString('hex'), random: Math.random(), startSecret }
  },
  '/write': (query) => {
    for (let line = 1; line <= Number(query.get('lines')); line++) {
      console.log(`out ${query.get('mark')} ${line}`)
      console.error(`err ${query.get('mark')} ${line}`)
    }
    return {}
  },
  '/exit': (query) => {
    console.log('about to give up')
    console.error('the last words of this program')
    process.exit(Number(query.get('code')))
  },
}

const server = createServer(async (request, reply) => {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost')
  seen.push({ method: request.method, path: pathname, agent: request.headers['user-agent'] ?? '' })
  mostInFlight = Math.max(mostInFlight, ++inFlight)
  try {
    const value = await routes[pathname]?.(searchParams)
    reply.writeHead(value ? 200 : 404, { 'content-type': 'application/json' })
    reply.end(JSON.stringify(value ?? {}))
  } finally {
    inFlight--
  }
})
server.keepAliveTimeout = Number(process.env.KEEP_ALIVE_MS ?? 0)
server.listen(3000)
