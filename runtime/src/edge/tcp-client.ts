import type { Socket } from 'node:net'
import { errorFields } from '../core/errors.ts'
import type { Hold } from './hold.ts'
import type { Route } from './routes.ts'
import type { Service } from './serve.ts'
import { takeOver } from './take-over.ts'
import { Tunnel } from './tunnel.ts'
import type { Upstream, UpstreamUser } from './upstream.ts'
import type { Waiter } from './waiting-room.ts'

/** A server may speak first, and on a busy machine a greeting takes its time: asleep it would never come. */
const greetingMs = 2_000
/** The instance is awake for a little longer, so that it hears of the end of a connection on which nothing was said. */
const farewellMs = 500
/** A program's death shows at its connection first, its reason some ms later; the next attempt is not to meet the same. */
const lastWordsMs = 500

/** All clients of TCP apps. */
export interface OpenConnections {
  sockets: Set<Socket>
  tunnels: Set<Tunnel>
}

/**
 * A client of a TCP app, while it has no connection to an instance: at its beginning, when nothing is read from it, and
 * later if neither side has said a word. Such a connection costs the app nothing, not even a socket: it gets a new
 * upstream with its first byte. Once something was said a tunnel keeps both ends.
 */
export class TcpClient implements Waiter<Hold>, UpstreamUser {
  /** As it was accepted; once an instance was there, as taken over. */
  #socket: Socket
  readonly #port: number
  readonly #service: Service
  readonly #open: OpenConnections
  #startedAt = performance.now()
  #route: Route
  #hold: Hold | undefined
  #upstream: Upstream | undefined
  #retried = false
  #isTakenOver = false
  #tunnel: Tunnel | undefined
  /** What came while there was no upstream. */
  #first: Buffer | undefined

  constructor(accepted: Socket, port: number, route: Route, service: Service, open: OpenConnections) {
    this.#socket = accepted
    this.#port = port
    this.#route = route
    this.#service = service
    this.#open = open
    open.sockets.add(accepted)
    accepted.on('close', () => open.sockets.delete(accepted))
    accepted.on('error', () => {}) // 'close' follows, and says all there is to say
    this.#slot()
  }

  #slot(): void {
    const app = this.#service.holds.of(this.#route)
    const hold = app.take(performance.now())
    if (hold) this.admitted(hold, false)
    else app.wait(this)
  }

  admitted(hold: Hold, woken: boolean): void {
    this.#hold = hold
    const { metrics } = this.#service
    if (woken) metrics.wake.of[hold.grant.from].add(performance.now() - this.#startedAt)
    if (woken && hold.grant.from !== 'running') metrics.traffic.of(this.#route).wakes++
    this.#upstream = hold.pool.connect(true)
    this.#upstream.user = this
  }

  refused(error: Error): void {
    this.#service.metrics.tunnelsBroken.inc({ code: errorFields(error).code })
    this.#socket.resetAndDestroy()
  }

  upstreamReady(): void {
    const [hold, upstream] = [this.#hold as Hold, this.#upstream as Upstream]
    if (this.#socket.destroyed) {
      upstream.user = undefined
      upstream.destroy()
      hold.free()
      return
    }
    if (!this.#isTakenOver) this.#takeOver()
    const { routes: _, ...around } = this.#service
    const tunnel = new Tunnel(this.#socket, upstream, hold, { ...around, route: this.#route })
    this.#tunnel = tunnel
    this.#open.tunnels.add(tunnel)
    if (this.#first) {
      tunnel.fromClient(this.#first)
      this.#first = undefined
      this.#socket.resume()
      return
    }
    hold.touch(performance.now(), greetingMs + farewellMs)
    const timer = setTimeout(() => tunnel.isNew && this.#rest(tunnel), greetingMs)
    this.#socket.once('close', () => clearTimeout(timer))
  }

  #takeOver(): void {
    const client = takeOver(this.#socket, (bytes) => this.#received(bytes))
    this.#socket = client
    this.#isTakenOver = true
    this.#open.sockets.add(client)
    client.on('drain', () => this.#tunnel?.clientDrained())
    client.on('end', () => {
      if (this.#tunnel) this.#tunnel.clientEnded()
      else client.end()
    })
    client.on('error', () => {})
    client.on('close', () => {
      this.#open.sockets.delete(client)
      if (this.#tunnel) this.#open.tunnels.delete(this.#tunnel)
      this.#tunnel?.clientGone()
    })
  }

  #rest(tunnel: Tunnel): void {
    tunnel.abandon()
    this.#open.tunnels.delete(tunnel)
    this.#tunnel = undefined
  }

  #received(bytes: Buffer): void {
    if (this.#tunnel) {
      this.#tunnel.fromClient(bytes)
      return
    }
    this.#first = Buffer.from(bytes)
    this.#socket.pause()
    this.#startedAt = performance.now()
    this.#retried = false
    this.#goOn()
  }

  /** To the release that serves now: nothing binds a connection on which nothing was said to another one. */
  #goOn(): void {
    const route = this.#service.routes.byPort(this.#port)
    if (!route) {
      this.#socket.resetAndDestroy()
      return
    }
    this.#route = route
    this.#slot()
  }

  /** It never stood. Once more, for the instance may have ended just now. */
  upstreamClosed(error: Error | undefined): void {
    const hold = this.#hold as Hold
    void hold.ended(this.#retried ? 0 : lastWordsMs).then(() => {
      hold.free()
      if (this.#retried) this.refused(hold.goneBecause ?? (error as Error))
      else {
        this.#retried = true
        this.#goOn()
      }
    })
  }

  fromUpstream(): void {}
  upstreamDrained(): void {}
  upstreamEnded(): void {}
  upstreamDoubted(): void {}
  upstreamGivenUp(): void {}
}
