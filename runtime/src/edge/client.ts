import type { Socket } from 'node:net'
import { HeadTooLarge, HeadTooLate } from './errors.ts'
import { maxHeadBytes, type RequestHead, readRequestHead } from './head.ts'
import { linger } from './linger.ts'
import { errorReply } from './pages.ts'
import { takeOver } from './take-over.ts'

/** How long a client may rest between requests; browsers give up after about as long. */
const restMs = 75_000
/** How long a head may take from its first byte. */
const headMs = 15_000
/** How long a request's body may stand still. */
const bodyStallMs = 60_000
/** What a client may send ahead of its turn (pipelining) before it is asked to wait. */
const maxAheadBytes = 64 * 1024
/** A client that has said its last word may still get a reply for this long without a byte of it; then it counts as gone. */
const halfClosedMs = 5_000

const headEnd = Buffer.from('\r\n\r\n')

/** Who gets what a client's connection brings: its present request, or the tunnel that it has become. */
export interface ClientUser {
  /** The client has more of its request to send. */
  readonly wantsBody: boolean
  /** `bytes` lie in a buffer that is used again as soon as this returns. False: they belong to the next request. */
  fromClient(bytes: Buffer): boolean
  clientDrained(): void
  /** Its FIN has come. True: nothing is left to wait for from it or us. */
  clientEnded(): boolean
  clientGone(): void
}

/** What a client connection tells the edge. */
export interface ClientEvents {
  request(client: Client, head: RequestHead, body: Buffer): void
  refused(error: unknown): void
  closed(client: Client): void
}

/** One client's connection: cuts it into requests, one after the other. */
export class Client {
  readonly socket: Socket
  exchange: ClientUser | undefined
  /** No bytes will come from it any more. */
  ended = false
  readonly #forwardedFor: string
  readonly #events: ClientEvents
  /** The end of our side has been sent. */
  #closing = false
  /** Bytes that were not looked at yet: a part of a head, or requests sent ahead. */
  #ahead: Buffer | undefined
  /** performance.now() when it began to rest, or when the first byte of a partial head came. */
  #since = performance.now()
  #bytesSeen = 0
  #bytesSeenAt = 0
  #halfClosed: NodeJS.Timeout | undefined

  constructor(accepted: Socket, events: ClientEvents) {
    const socket = takeOver(accepted, (bytes) => this.received(bytes))
    this.socket = socket
    this.#events = events
    this.#forwardedFor = `X-Forwarded-For: ${plainAddress(socket.remoteAddress ?? 'unknown')}\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: `
    socket.on('drain', () => this.exchange?.clientDrained())
    socket.on('end', () => this.#ended())
    socket.on('error', () => {}) // 'close' follows, and says all there is to say
    socket.on('close', () => {
      clearTimeout(this.#halfClosed)
      this.exchange?.clientGone()
      events.closed(this)
    })
  }

  /** `bytes` lie in a buffer that is used again as soon as this returns. */
  received(bytes: Buffer): void {
    if (this.#closing) return
    if (!this.exchange) this.#readHead(bytes)
    else if (!this.exchange.fromClient(bytes)) this.keepAhead(bytes)
  }

  /** For its next request: bytes that came before the present one was answered. */
  keepAhead(bytes: Buffer): void {
    this.#ahead = this.#ahead ? Buffer.concat([this.#ahead, bytes]) : Buffer.from(bytes)
    if (this.#ahead.length > maxAheadBytes) this.socket.pause()
  }

  /** The reply is through: goes on with what came meanwhile, or ends. */
  finished(keepAlive: boolean): void {
    this.exchange = undefined
    clearTimeout(this.#halfClosed)
    if (!keepAlive || (this.ended && !this.#ahead)) {
      this.endSoon()
      return
    }
    this.#since = performance.now()
    const bytes = this.#ahead
    if (!bytes) return
    this.#ahead = undefined
    this.resume()
    this.#readHead(bytes)
  }

  /** Answers with an error page and ends. */
  refuse(error: unknown, head?: RequestHead, extraHeaders?: string): void {
    this.exchange = undefined
    clearTimeout(this.#halfClosed)
    this.#events.refused(error)
    this.socket.write(
      errorReply(error, { html: head?.acceptsHtml ?? false, head: head?.method === 'HEAD' }, extraHeaders),
    )
    this.endSoon()
  }

  /** Ends our side, and reads what the client still sends for a while, so that it gets to read our last bytes. */
  endSoon(): void {
    this.exchange = undefined
    this.#closing = true
    this.#ahead = undefined
    this.resume()
    linger(this.socket)
  }

  /** Called every few seconds: a client that is too slow with its head, or rests for too long, has to go. */
  lookAtClock(now: number): void {
    if (this.#closing) return
    if (this.exchange) {
      this.#lookAtBody(now)
      return
    }
    if (this.#ahead) {
      if (now - this.#since > headMs) this.refuse(new HeadTooLate(headMs))
    } else if (now - this.#since > restMs) this.endSoon()
  }

  /** A body that does not go on holds an instance awake for nothing. */
  #lookAtBody(now: number): void {
    const { bytesRead } = this.socket
    if (bytesRead !== this.#bytesSeen || !this.exchange?.wantsBody || this.socket.isPaused()) {
      this.#bytesSeen = bytesRead
      this.#bytesSeenAt = now
    } else if (now - this.#bytesSeenAt > bodyStallMs) this.socket.destroy()
  }

  #readHead(bytes: Buffer): void {
    const begun = this.#ahead !== undefined
    if (this.#ahead) bytes = Buffer.concat([this.#ahead, bytes])
    this.#ahead = undefined
    const end = bytes.indexOf(headEnd)
    if (end > maxHeadBytes || (end < 0 && bytes.length > maxHeadBytes)) {
      this.refuse(new HeadTooLarge(maxHeadBytes))
      return
    }
    if (end < 0) {
      this.#ahead = Buffer.from(bytes)
      if (!begun) this.#since = performance.now()
      return
    }
    let head: RequestHead
    try {
      head = readRequestHead(bytes.toString('latin1', 0, end + 4), this.#forwardedFor)
    } catch (error) {
      this.refuse(error)
      return
    }
    this.#events.request(this, head, bytes.subarray(end + 4))
  }

  /** Bytes that followed a request for an upgrade belong to the new protocol. */
  takeAhead(): Buffer | undefined {
    const bytes = this.#ahead
    this.#ahead = undefined
    return bytes
  }

  #ended(): void {
    this.ended = true
    if (!this.exchange) {
      this.endSoon()
      return
    }
    if (!this.exchange.clientEnded()) this.#halfClosed = setTimeout(() => this.socket.destroy(), halfClosedMs)
  }

  resume(): void {
    if (this.socket.isPaused()) this.socket.resume()
  }

  /** A byte of a reply went out. */
  replying(): void {
    if (this.ended) this.#halfClosed?.refresh()
  }
}

/** IPv4 as it is written, also where the socket speaks both. */
const plainAddress = (address: string) => (address.startsWith('::ffff:') ? address.slice(7) : address)
