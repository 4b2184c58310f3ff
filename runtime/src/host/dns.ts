import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { isForwarded, question, refusal } from './dns-message.ts'
import { askOverTcp, askOverUdp, type Resolver, resolvers } from './dns-upstream.ts'
import { NetworkRefused } from './network-errors.ts'

export type { Resolver } from './dns-upstream.ts'

/** Questions that wait for an answer: of one guest, and of all. More are dropped, and the guest's resolver asks again. */
const mostPerGuest = 32
const mostPending = 512
/** Bytes of a question; a name has 255 at most, the rest is room for extensions. */
const mostQuestionBytes = 1232
/** A TCP connection is for one question: those whose answer is too long for UDP. */
const tcpDeadlineMs = 10_000

export interface DnsServer {
  close(): Promise<void>
}

export interface DnsOptions {
  address: string
  port?: number
  upstream?: Resolver[] | undefined
}

/** Answers guests on the gateway's address by asking the host's resolvers, within bounds, for names of the internet only. */
export async function startDns({ address, port = 53, upstream }: DnsOptions): Promise<DnsServer> {
  const pending = new Pending()
  const ask = async (bytes: Buffer, guest: string, transport: typeof askOverUdp): Promise<Buffer | undefined> => {
    const asked = question(bytes)
    if (!asked || bytes.length > mostQuestionBytes) return undefined
    if (!isForwarded(asked)) return refusal(bytes, 'no such name')
    if (!pending.begin(guest)) return undefined
    try {
      return (await transport(bytes, upstream ?? (await resolvers()))) ?? refusal(bytes, 'server failure')
    } finally {
      pending.end(guest)
    }
  }

  const udp = createSocket('udp4')
  udp.on('message', async (bytes, guest) => {
    const answer = await ask(bytes, guest.address, askOverUdp)
    if (answer) udp.send(answer, guest.port, guest.address, () => {}) // a guest that is gone needs none
  })
  const connections = new Set<Socket>()
  const tcp = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setTimeout(tcpDeadlineMs, () => socket.destroy())
    const begun = setTimeout(() => socket.destroy(), tcpDeadlineMs)
    socket.once('close', () => clearTimeout(begun))
    onTcpQuestion(socket, async (bytes) => {
      const answer = await ask(bytes, socket.remoteAddress ?? '', askOverTcp)
      if (answer) socket.end(Buffer.concat([lengthOf(answer), answer]))
      else socket.destroy()
    })
  })
  tcp.maxConnections = 256
  try {
    udp.bind(port, address)
    await once(udp, 'listening')
    tcp.listen(port, address)
    await once(tcp, 'listening')
  } catch (error) {
    udp.close()
    throw new NetworkRefused(`guests' DNS cannot listen on ${address}: ${(error as Error).message}`, { cause: error })
  }
  udp.on('error', () => {}) // answers that could not be delivered
  return {
    async close() {
      udp.close()
      for (const socket of connections) socket.destroy()
      tcp.close()
      await once(tcp, 'close')
    },
  }
}

function lengthOf(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return length
}

/** Calls back once, with the first question of the connection. */
function onTcpQuestion(socket: Socket, use: (bytes: Buffer) => Promise<void>): void {
  let received = Buffer.alloc(0)
  const onData = (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    const length = received.length >= 2 ? received.readUInt16BE(0) : undefined
    if (length !== undefined && length > mostQuestionBytes) return void socket.destroy()
    if (length === undefined || received.length < 2 + length) return
    socket.off('data', onData).resume() // what follows is not read into memory
    use(received.subarray(2, 2 + length)).catch(() => socket.destroy())
  }
  socket.on('data', onData)
}

class Pending {
  readonly #perGuest = new Map<string, number>()
  #all = 0

  begin(guest: string): boolean {
    const own = this.#perGuest.get(guest) ?? 0
    if (own >= mostPerGuest || this.#all >= mostPending) return false
    this.#perGuest.set(guest, own + 1)
    this.#all++
    return true
  }

  end(guest: string): void {
    const left = (this.#perGuest.get(guest) ?? 1) - 1
    if (left > 0) this.#perGuest.set(guest, left)
    else this.#perGuest.delete(guest)
    this.#all--
  }
}
