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
/** A program's death shows at its connection first, its reason some ms later; the next attempt is not to meet the same. */
const lastWordsMs = 500

/** All clients of TCP apps. */
export interface OpenConnections {
  sockets: Set<Socket>
  tunnels: Set<Tunnel>
}

/**
 * A client of a TCP app until its connection to an instance stands; then a tunnel takes over. Nothing is read from it
 * before, so nothing has to be kept.
 */
export class TcpClient implements Waiter<Hold>, UpstreamUser {
  readonly #accepted: Socket
  readonly #service: Service
  readonly #open: OpenConnections
  readonly #startedAt = performance.now()
  #route: Route
  #hold: Hold | undefined
  #upstream: Upstream | undefined
  #retried = false

  constructor(accepted: Socket, route: Route, service: Service, open: OpenConnections) {
    this.#accepted = accepted
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
    this.#accepted.resetAndDestroy()
  }

  upstreamReady(): void {
    const hold = this.#hold as Hold
    const upstream = this.#upstream as Upstream
    if (this.#accepted.destroyed) {
      upstream.user = undefined
      upstream.destroy()
      hold.free()
      return
    }
    const { routes: _, ...around } = this.#service
    const client = takeOver(this.#accepted, (bytes) => tunnel.fromClient(bytes))
    const tunnel = new Tunnel(client, upstream, hold, { ...around, route: this.#route })
    this.#open.sockets.add(client)
    this.#open.tunnels.add(tunnel)
    client.on('drain', () => tunnel.clientDrained())
    client.on('end', () => tunnel.clientEnded())
    client.on('error', () => {})
    client.on('close', () => {
      this.#open.sockets.delete(client)
      this.#open.tunnels.delete(tunnel)
      tunnel.clientGone()
    })
    hold.touch(performance.now(), greetingMs)
  }

  /** It never stood. Once more, for the instance may have ended just now. */
  upstreamClosed(error: Error | undefined): void {
    const hold = this.#hold as Hold
    void hold.ended(this.#retried ? 0 : lastWordsMs).then(() => {
      hold.free()
      if (this.#retried) this.refused(hold.goneBecause ?? (error as Error))
      else {
        this.#retried = true
        this.#route = this.#service.routes.byPort(this.#route.tcpPort as number) ?? this.#route
        this.#slot()
      }
    })
  }

  fromUpstream(): void {}
  upstreamDrained(): void {}
  upstreamEnded(): void {}
  upstreamDoubted(): void {}
}
