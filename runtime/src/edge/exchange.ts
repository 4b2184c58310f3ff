import type { Grant } from '../fabric/hold.ts'
import type { Client, ClientUser } from './client.ts'
import { AppClosed, AppUnreachable, BadReply, BadRequest, NodeSilent } from './errors.ts'
import type { RequestHead } from './head.ts'
import type { Hold } from './hold.ts'
import type { Metrics } from './metrics.ts'
import { Reply, type ReplyOwner } from './reply.ts'
import { RequestBody } from './request-body.ts'
import type { Route } from './routes.ts'
import { type Arrival, timingHeaders } from './server-timing.ts'
import { givenUpAfterMs } from './silence.ts'
import type { Counted } from './traffic.ts'
import type { Upstream, UpstreamUser } from './upstream.ts'
import type { Waiter } from './waiting-room.ts'

/** What an exchange needs beyond its client. */
export interface Surroundings {
  metrics: Metrics
  /** What its app was asked. */
  traffic: Counted
  /** Starts over with another slot. */
  again(exchange: Exchange): void
  /** Gives up waiting for a slot. */
  leave(exchange: Exchange): void
  /** The release it waits for takes no requests any more: another one does. */
  overtaken(): boolean
  route(): Route
  /** The connection has been upgraded: from here on it is a tunnel, and this exchange is over. */
  upgraded(exchange: Exchange): void
}

/** The life of one request and its reply. */
type State =
  | 'waiting' // for a slot
  | 'connecting' // to the instance
  | 'asked' // the request goes out, no reply's head has come
  | 'replying'
  | 'broken' // the instance's side is gone: its agent may yet say why
  | 'over'

/** A program's death shows at its connection first; its exit code and last lines come some ms later, from the agent. */
const lastWordsMs = 500

const repeatable = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/**
 * One request, from its head to the last byte of its reply: waits for a slot, takes a connection to the instance, and
 * passes bytes both ways, unchanged, at the pace of the slower side.
 */
export class Exchange implements Waiter<Hold>, UpstreamUser, ClientUser, ReplyOwner {
  readonly head: RequestHead
  readonly client: Client
  readonly startedAt = performance.now()
  hold: Hold | undefined
  upstream: Upstream | undefined
  /** It is, or was, in the waiting room. */
  waits = false
  #state: State = 'waiting'
  #arrival: Arrival | undefined
  #retried = false
  /** Some instance may have begun to carry it out. */
  #reached = false
  readonly #request: RequestBody
  readonly #reply: Reply
  readonly #around: Surroundings

  constructor(client: Client, head: RequestHead, around: Surroundings) {
    this.client = client
    this.head = head
    this.#around = around
    this.#request = new RequestBody(head)
    this.#reply = new Reply(this)
    around.metrics.inFlight++
  }

  get over(): boolean {
    return this.#state === 'over'
  }

  /** The client has more of its request to send. */
  get wantsBody(): boolean {
    return !this.#request.done
  }

  // ── the slot ─────────────────────────────────────────────────────────────────────────────────────────────────────

  admitted(hold: Hold, woken: boolean): void {
    this.hold = hold
    if (this.waits) this.#waited(woken ? hold.grant : undefined)
    const kept = this.#retried ? undefined : hold.pool.take(this.#canRepeat, this.startedAt)
    this.#use(kept ?? hold.pool.connect())
  }

  refused(error: Error): void {
    if (this.#around.overtaken()) this.#around.again(this)
    else this.fail(error)
  }

  #waited(grant: Grant | undefined): void {
    const waitedMs = performance.now() - this.startedAt
    this.#arrival = { waitedMs, grant }
    this.#around.metrics.wake.of[grant?.from ?? 'held'].add(waitedMs)
    if (grant && grant.from !== 'running') this.#around.traffic.wakes++
  }

  #use(upstream: Upstream): void {
    this.upstream = upstream
    upstream.user = this
    this.#state = 'connecting'
    if (!upstream.connecting) this.upstreamReady()
  }

  // ── the request ──────────────────────────────────────────────────────────────────────────────────────────────────

  upstreamReady(): void {
    this.#state = 'asked'
    this.#reached = true
    this.#pace(this.#request.sendAfter(this.head.forward, this.upstream as Upstream))
  }

  /** False: these bytes are not part of this request. */
  fromClient(bytes: Buffer): boolean {
    if (this.#request.done) return false
    const end = this.#request.take(bytes)
    if (end < 0) {
      this.fail(new BadRequest('the body is not chunked as it should be'))
      return true
    }
    const part = end === bytes.length ? bytes : bytes.subarray(0, end)
    const sending = this.#state === 'asked' || this.#state === 'replying'
    this.#pace(sending ? this.#request.send(part, this.upstream as Upstream) : this.#request.keep(part))
    if (end < bytes.length) this.client.keepAhead(bytes.subarray(end))
    return true
  }

  upstreamDrained(): void {
    this.client.resume()
  }

  #pace(flowing: boolean): void {
    if (flowing) this.client.resume()
    else this.client.socket.pause()
  }

  // ── the reply ────────────────────────────────────────────────────────────────────────────────────────────────────

  fromUpstream(bytes: Buffer): void {
    this.#reply.received(bytes)
  }

  replyBegun(): string {
    this.#state = 'replying'
    const firstByteMs = performance.now() - this.startedAt
    const { metrics, traffic } = this.#around
    metrics.firstByte.of[this.#arrival?.grant?.from ?? 'held'].add(firstByteMs)
    traffic.requests++
    traffic.firstByte.add(firstByteMs)
    return this.#timing()
  }

  switched(): void {
    this.#state = 'over'
    this.#around.metrics.inFlight--
    this.#around.upgraded(this)
  }

  clientDrained(): void {
    const socket = this.upstream?.socket
    if (socket?.isPaused()) socket.resume()
  }

  #timing(): string {
    const { release, shared } = this.#around.route()
    const answeredBy = `Little-Release: ${release}\r\n`
    if (!this.#arrival && !this.head.wantsTiming) return shared ? answeredBy : ''
    return timingHeaders(this.#arrival ?? { waitedMs: 0, grant: undefined }) + answeredBy
  }

  // ── the ends ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The reply is through. An instance may fall asleep from here on: everything it had to say is with us. */
  replyDone(): void {
    const { upstreamKeeps, clientKeeps } = this.#reply
    const { done } = this.#request
    this.#release(upstreamKeeps && done)
    this.client.finished(clientKeeps && done)
  }

  upstreamEnded(): void {
    if (this.#reply.untilClose) this.replyDone()
    else this.#broken(undefined)
  }

  upstreamClosed(error: Error | undefined): void {
    if (this.#state !== 'over') this.#broken(error)
  }

  upstreamDoubted(): void {
    const untouched = this.#state === 'connecting'
    const unanswered = this.#state === 'asked' && !this.#reply.partial && this.#canRepeat
    if (!this.#retried && (untouched || unanswered)) this.#retry(true)
  }

  upstreamGivenUp(): void {
    this.fail(new NodeSilent(givenUpAfterMs))
  }

  /** The client's connection is no more: what the instance still does for it is of no use. */
  clientGone(): void {
    if (this.#state === 'waiting') this.#around.leave(this)
    this.#release(false)
  }

  /** The client has sent its last byte. True: nothing is left to wait for from it or us. */
  clientEnded(): boolean {
    if (this.#request.done) return false
    this.client.socket.destroy() // in mid-request
    return true
  }

  /** The connection to the instance ended before the reply did. */
  #broken(error: Error | undefined): void {
    const untouched = this.#state === 'connecting'
    if (this.#state === 'replying') this.#cutOff()
    else if (this.#reply.partial)
      this.fail(new BadReply("the app ended its connection in the middle of its reply's head"))
    else if (!this.#retried && (untouched || this.#canRepeat)) this.#retry(untouched)
    else void this.#explain(untouched, error)
  }

  /** Answers why it broke. A request that never reached the instance goes to the next one, if this one is no more. */
  async #explain(untouched: boolean, error: Error | undefined): Promise<void> {
    const hold = this.hold as Hold
    this.#state = 'broken'
    this.#dropUpstream(false)
    await hold.ended(lastWordsMs)
    if (this.#state !== 'broken') return // the client did not wait for it
    if (!this.#reached && hold.goneBecause) this.#startOver(hold)
    else this.fail(this.#whyBroken(untouched, error))
  }

  /** Once: on a new connection to the same instance, or from the start if it may be the instance that is at fault. */
  #retry(untouched: boolean): void {
    const hold = this.hold as Hold
    this.#retried = true
    this.#dropUpstream(false)
    if (!untouched && hold.state === 'held') {
      this.#use(hold.pool.connect())
      return
    }
    this.#startOver(hold)
  }

  #startOver(hold: Hold): void {
    this.hold = undefined
    this.#state = 'waiting'
    hold.free()
    this.#around.again(this)
  }

  #whyBroken(untouched: boolean, cause: NodeJS.ErrnoException | undefined): Error {
    const { goneBecause, grant } = this.hold as Hold
    if (goneBecause) return goneBecause
    const why = cause?.code ? ` (${cause.code})` : '' // not its message: that tells strangers the instance's address
    if (untouched) return new AppUnreachable(`the app does not take connections on port ${grant.port}${why}`, { cause })
    return new AppClosed(`the app closed the connection before it answered${why}`, { cause })
  }

  /** In mid-reply there is only one way left to tell the client: its connection breaks off. */
  #cutOff(): void {
    this.#release(false)
    this.client.exchange = undefined
    this.client.socket.destroy()
  }

  fail(error: unknown): void {
    if (this.#state === 'over') return
    if (this.#state === 'replying') {
      this.#cutOff()
      return
    }
    this.#release(false)
    this.client.refuse(error, this.head, this.#timing())
  }

  #release(upstreamKeeps: boolean): void {
    if (this.#state === 'over') return
    this.#state = 'over'
    this.#around.metrics.inFlight--
    this.#dropUpstream(upstreamKeeps)
    this.hold?.free()
  }

  #dropUpstream(keep: boolean): void {
    const { upstream } = this
    if (!upstream) return
    this.upstream = undefined
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
