import type { Grant } from '../fabric/hold.ts'
import { Body } from './body.ts'
import type { Client } from './client.ts'
import { AppClosed, AppUnreachable, BadReply, BadRequest } from './errors.ts'
import type { RequestHead } from './head.ts'
import type { Hold } from './hold.ts'
import type { Metrics } from './metrics.ts'
import { maxReplyHeadBytes, type ReplyHead, readReplyHead } from './reply-head.ts'
import { type Arrival, timingHeaders } from './server-timing.ts'
import type { Upstream, UpstreamUser } from './upstream.ts'
import type { Waiter } from './waiting-room.ts'

/** What an exchange needs beyond its client. */
export interface Surroundings {
  metrics: Metrics
  /** Starts over with another slot. */
  again(exchange: Exchange): void
  /** Gives up waiting for a slot. */
  leave(exchange: Exchange): void
}

/** The life of one request and its reply. */
type State =
  | 'waiting' // for a slot
  | 'connecting' // to the instance
  | 'asked' // the request goes out, no reply's head has come
  | 'replying'
  | 'tunnel' // upgraded: bytes both ways until both sides end
  | 'over'

/** A request's body is read ahead this far while it waits; then the client is asked to wait. */
const maxUnsentBytes = 64 * 1024
/** Up to here a copy as a string is cheaper to write than a Buffer: Node writes it from its stack. */
const maxStringBytes = 2 * 1024

const headEnd = Buffer.from('\r\n\r\n')
const repeatable = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/**
 * One request, from its head to the last byte of its reply: waits for a slot, takes a connection to the instance, and
 * passes bytes both ways, unchanged, at the pace of the slower side.
 */
export class Exchange implements Waiter<Hold>, UpstreamUser {
  readonly head: RequestHead
  readonly startedAt = performance.now()
  readonly #client: Client
  readonly #around: Surroundings
  #state: State = 'waiting'
  #hold: Hold | undefined
  #upstream: Upstream | undefined
  #arrival: Arrival | undefined
  /** It is, or was, in the waiting room. */
  waits = false
  #retried = false
  /** What of the request's body came before it could go on. */
  #unsent: Buffer[] | undefined
  #unsentBytes = 0
  readonly #request = new Body()
  readonly #reply = new Body()
  /** A reply's head that is not whole yet. */
  #partial: Buffer | undefined
  #upstreamKeeps = false
  #clientKeeps: boolean

  constructor(client: Client, head: RequestHead, around: Surroundings) {
    this.#client = client
    this.head = head
    this.#around = around
    this.#clientKeeps = head.keepAlive
    if (head.chunked) this.#request.begin('chunked')
    else if (head.contentLength > 0) this.#request.begin('length', head.contentLength)
    around.metrics.inFlight++
  }

  get over(): boolean {
    return this.#state === 'over'
  }

  /** The client has more of its request to send. */
  get wantsBody(): boolean {
    return this.#state !== 'tunnel' && !this.#request.done
  }

  // ── the slot ─────────────────────────────────────────────────────────────────────────────────────────────────────

  admitted(hold: Hold, woken: boolean): void {
    this.#hold = hold
    if (this.waits) this.#waited(woken ? hold.grant : undefined)
    const kept = hold.pool.take(this.#canRepeat, this.startedAt)
    if (kept && !this.#retried) this.#use(kept)
    else this.#use(hold.pool.connect())
  }

  #waited(grant: Grant | undefined): void {
    const waitedMs = performance.now() - this.startedAt
    this.#arrival = { waitedMs, grant }
    this.#around.metrics.wake.of[grant?.from ?? 'held'].add(waitedMs)
  }

  refused(error: Error): void {
    this.#fail(error)
  }

  #use(upstream: Upstream): void {
    this.#upstream = upstream
    upstream.user = this
    this.#state = 'connecting'
    if (!upstream.connecting) this.upstreamReady()
  }

  // ── the request ──────────────────────────────────────────────────────────────────────────────────────────────────

  upstreamReady(): void {
    this.#state = 'asked'
    const socket = (this.#upstream as Upstream).socket
    if (!this.#unsent) {
      socket.write(this.head.forward, 'latin1')
      return
    }
    socket.cork()
    socket.write(this.head.forward, 'latin1')
    for (const bytes of this.#unsent) socket.write(bytes)
    socket.uncork()
    this.#unsent = undefined
    if (socket.writableNeedDrain) this.#client.socket.pause()
    else this.#client.resume()
  }

  /** False: these bytes are not part of this request. */
  fromClient(bytes: Buffer): boolean {
    if (this.#state === 'tunnel') {
      this.#toUpstream(bytes)
      return true
    }
    if (this.#request.done) return false
    const end = this.#request.take(bytes, 0)
    if (end < 0) {
      this.#fail(new BadRequest('the body is not chunked as it should be'))
      return true
    }
    this.#forward(end === bytes.length ? bytes : bytes.subarray(0, end))
    if (end < bytes.length) this.#client.keepAhead(bytes.subarray(end))
    return true
  }

  #forward(bytes: Buffer): void {
    if (this.#state === 'asked' || this.#state === 'replying') {
      this.#toUpstream(bytes)
      return
    }
    this.#unsent ??= []
    this.#unsent.push(Buffer.from(bytes))
    this.#unsentBytes += bytes.length
    if (this.#unsentBytes > maxUnsentBytes) this.#client.socket.pause()
  }

  #toUpstream(bytes: Buffer): void {
    const { socket } = this.#upstream as Upstream
    const { length } = bytes
    const flowing =
      length <= maxStringBytes
        ? socket.write(bytes.toString('latin1', 0, length), 'latin1')
        : socket.write(Buffer.from(bytes))
    if (!flowing) this.#client.socket.pause()
  }

  upstreamDrained(): void {
    this.#client.resume()
  }

  // ── the reply ────────────────────────────────────────────────────────────────────────────────────────────────────

  fromUpstream(bytes: Buffer): void {
    if (this.#state === 'replying') this.#replyBody(bytes, 0, undefined)
    else if (this.#state === 'tunnel') this.#toClient(bytes)
    else if (this.#state === 'asked') this.#replyHead(bytes)
  }

  #replyHead(bytes: Buffer): void {
    if (this.#partial) bytes = Buffer.concat([this.#partial, bytes])
    this.#partial = undefined
    const end = bytes.indexOf(headEnd) + 4
    if (end < 4) {
      if (bytes.length <= maxReplyHeadBytes) this.#partial = Buffer.from(bytes)
      else this.#fail(new BadReply(`the app answered with a head of more than ${maxReplyHeadBytes} bytes`))
      return
    }
    let reply: ReplyHead
    const text = bytes.toString('latin1', 0, end)
    try {
      reply = readReplyHead(text)
    } catch (error) {
      this.#fail(error)
      return
    }
    if (reply.status < 200) {
      this.#informational(reply, bytes, end)
      return
    }
    if (!this.#beginReply(reply)) return
    this.#state = 'replying'
    const { metrics } = this.#around
    metrics.firstByte.of[this.#arrival?.grant?.from ?? 'held'].add(performance.now() - this.startedAt)
    const added = this.#addedHeaders()
    if (reply.rewritten === undefined && added === '') this.#replyBody(bytes, end, undefined)
    else this.#replyBody(bytes, end, `${reply.rewritten ?? text.slice(0, -2)}${added}\r\n`)
  }

  /** How the reply's body ends, and whether both connections can be used again after it. */
  #beginReply(reply: ReplyHead): boolean {
    this.#upstreamKeeps = reply.keepAlive
    if (this.head.method === 'HEAD' || reply.status === 204 || reply.status === 304) this.#reply.begin('none')
    else if (reply.chunked && this.head.http10) {
      this.#fail(new BadReply('the app answered in chunks to an HTTP/1.0 request'))
      return false
    } else if (reply.chunked) this.#reply.begin('chunked')
    else if (reply.contentLength >= 0) this.#reply.begin('length', reply.contentLength)
    else {
      this.#reply.begin('untilClose')
      this.#upstreamKeeps = false
      this.#clientKeeps = false
    }
    return true
  }

  #addedHeaders(): string {
    let added = ''
    if (!this.#clientKeeps) added = 'Connection: close\r\n'
    else if (this.head.http10) added = 'Connection: keep-alive\r\n'
    return added + this.#timing()
  }

  #timing(): string {
    if (!this.#arrival && !this.head.wantsTiming) return ''
    return timingHeaders(this.#arrival ?? { waitedMs: 0, grant: undefined })
  }

  /** 1xx: a word in between, or the switch to another protocol. `end` is where its head ends. */
  #informational(reply: ReplyHead, bytes: Buffer, end: number): void {
    if (reply.status === 101) {
      if (!this.head.upgrade) {
        this.#fail(new BadReply('the app switched protocols without being asked to'))
        return
      }
      this.#state = 'tunnel'
      this.#toClient(bytes)
      const ahead = this.#client.takeAhead()
      if (ahead) this.fromClient(ahead)
      this.#client.resume()
      return
    }
    if (!this.head.http10) this.#toClient(bytes.subarray(0, end))
    if (end < bytes.length) this.#replyHead(bytes.subarray(end))
  }

  /** `bytes` from `from` on are body; `head` goes before them, or undefined: what lies before `from` as it is. */
  #replyBody(bytes: Buffer, from: number, head: string | undefined): void {
    const end = this.#reply.take(bytes, from)
    if (end < 0) {
      this.#cutOff()
      return
    }
    if (head !== undefined) {
      this.#client.socket.cork()
      this.#countOut(this.#client.socket.write(head, 'latin1'), head.length)
      if (end > from) this.#toClient(bytes.subarray(from, end))
      this.#client.socket.uncork()
    } else this.#toClient(end === bytes.length ? bytes : bytes.subarray(0, end))
    if (end < bytes.length) this.#upstreamKeeps = false // it says more than it was asked
    if (this.#reply.done) this.#finish()
  }

  #toClient(bytes: Buffer): void {
    const { socket } = this.#client
    const { length } = bytes
    if (length <= maxStringBytes) {
      this.#countOut(socket.write(bytes.toString('latin1', 0, length), 'latin1'), length)
      return
    }
    const flowing = socket.write(bytes)
    if (socket.writableLength > 0) this.#upstream?.lend() // not all could be written at once
    this.#countOut(flowing, length)
  }

  #countOut(flowing: boolean, length: number): void {
    ;(this.#hold as Hold).egressBytes += length
    if (!flowing) this.#upstream?.socket.pause()
    if (this.#client.ended) this.#client.replying()
  }

  clientDrained(): void {
    const socket = this.#upstream?.socket
    if (socket?.isPaused()) socket.resume()
  }

  // ── the ends ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The reply is through. An instance may fall asleep from here on: everything it had to say is with us. */
  #finish(): void {
    const keeps = this.#clientKeeps && this.#request.done
    this.#release(this.#upstreamKeeps && this.#request.done)
    this.#client.finished(keeps)
  }

  upstreamEnded(): void {
    if (this.#state === 'tunnel') this.#client.socket.end()
    else if (this.#state === 'replying' && this.#reply.untilClose) this.#finish()
    else this.#broken(undefined)
  }

  upstreamClosed(error: Error | undefined): void {
    if (this.#state === 'tunnel') {
      this.#release(false)
      if (error) this.#client.socket.destroy()
      else this.#client.endSoon()
    } else if (this.#state !== 'over') this.#broken(error)
  }

  /** The client's connection is no more: what the instance still does for it is of no use. */
  clientGone(): void {
    if (this.#state === 'waiting') this.#around.leave(this)
    this.#release(false)
  }

  /** The client has sent its last byte. True: nothing is left to wait for from it or us. */
  clientEnded(): boolean {
    if (this.#state === 'tunnel') this.#upstream?.socket.end()
    else if (!this.#request.done)
      this.#client.socket.destroy() // in mid-request
    else return false
    return true
  }

  /** The connection to the instance ended before the reply did. */
  #broken(error: Error | undefined): void {
    const hold = this.#hold as Hold
    const state = this.#state
    if (state === 'replying' || this.#partial) {
      this.#cutOff()
      return
    }
    const untouched = state === 'connecting'
    if (!this.#retried && (untouched || this.#canRepeat)) {
      this.#retried = true
      this.#dropUpstream(false)
      if (!untouched && hold.state === 'held') {
        this.#use(hold.pool.connect())
        return
      }
      this.#hold = undefined
      this.#state = 'waiting'
      hold.free()
      this.#around.again(this)
      return
    }
    const { code } = (error ?? {}) as NodeJS.ErrnoException // not the message: it tells strangers the instance's address
    const why = code ? ` (${code})` : ''
    if (hold.goneBecause) this.#fail(hold.goneBecause)
    else if (untouched)
      this.#fail(
        new AppUnreachable(`the app does not take connections on port ${hold.grant.port}${why}`, { cause: error }),
      )
    else this.#fail(new AppClosed(`the app closed the connection before it answered${why}`, { cause: error }))
  }

  /** In mid-reply there is only one way left to tell the client: its connection breaks off. */
  #cutOff(): void {
    this.#release(false)
    this.#client.exchange = undefined
    this.#client.socket.destroy()
  }

  #fail(error: unknown): void {
    if (this.#state === 'over') return
    if (this.#state === 'replying') {
      this.#cutOff()
      return
    }
    this.#release(false)
    this.#client.refuse(error, this.head, this.#timing())
  }

  #release(upstreamKeeps: boolean): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#around.metrics.inFlight--
    this.#dropUpstream(upstreamKeeps)
    this.#hold?.free()
  }

  #dropUpstream(keep: boolean): void {
    const upstream = this.#upstream
    if (!upstream) return
    this.#upstream = undefined
    upstream.user = undefined
    if (!keep) {
      upstream.destroy()
      return
    }
    if (upstream.socket.isPaused()) upstream.socket.resume()
    upstream.pool.put(upstream, performance.now())
  }

  /** Carrying it out twice does no harm, and all of it is still at hand. */
  get #canRepeat(): boolean {
    const { method, chunked, contentLength, upgrade } = this.head
    return repeatable.has(method) && !chunked && contentLength <= 0 && !upgrade
  }
}
