import type { Socket } from 'node:net'
import { errorFields } from '../core/errors.ts'
import type { Home } from './bound-room.ts'
import type { ClientUser } from './client.ts'
import { NodeSilent } from './errors.ts'
import type { Hold } from './hold.ts'
import type { Holds } from './holds.ts'
import { IdleCountdown } from './idle.ts'
import { linger } from './linger.ts'
import type { Metrics } from './metrics.ts'
import type { Route } from './routes.ts'
import { givenUpAfterMs } from './silence.ts'
import type { Upstream, UpstreamUser } from './upstream.ts'
import type { Waiter } from './waiting-room.ts'

/**
 * A client's byte keeps the instance awake for this long at least: then the guest's kernel has acknowledged it. What is
 * not acknowledged ours would send again and again while the guest sleeps, and give the connection up after some minutes.
 */
const acknowledgedMs = 250
/** Up to here a copy as a string is cheaper to write than a Buffer. */
const maxStringBytes = 2 * 1024

/** For metrics: the connection broke, and no agent has said why. */
const cutOff = 'edge.app_closed'

/** What a tunnel needs of the edge. */
export interface Surroundings {
  holds: Holds
  /** Of the release that the connection belongs to. */
  route: Route
  metrics: Metrics
}

/**
 * A client's connection and its upstream, and the bytes between them, unchanged and at the pace of the slower side. Both
 * stay open while the instance sleeps; any byte, or an end, wakes it (docs/decisions/041-a-quiet-tunnel-sleeps.md).
 *
 * It has a slot, so that the instance stays awake, from a byte of the client's until the app says something, but for no
 * longer than `maxBusyMs`. Once the app has spoken the hold's idle countdown runs, and begins anew with each byte.
 */
export class Tunnel implements UpstreamUser, ClientUser, Waiter<Hold> {
  readonly wantsBody = false
  readonly #client: Socket
  readonly #upstream: Upstream
  readonly #home: Home
  readonly #around: Surroundings
  /** The latest; it may have been let go since. */
  #hold: Hold
  #hasSlot = true
  /** performance.now() since when it waits for the instance to wake. */
  #waitsSince: number | undefined
  /** What the client sent meanwhile. */
  #unsent: Buffer[] = []
  /** Reply bytes that came while nothing was held. */
  #owedBytes = 0
  #clientIs: 'open' | 'ended' | 'gone' = 'open'
  #appEnded = false
  #over = false
  /** Nothing was said yet, and nobody has ended. */
  isNew = true
  #movedAt = performance.now()
  #leaving: NodeJS.Timeout | undefined
  readonly #patience: IdleCountdown

  /** `hold` comes with a slot, `upstream` is open. */
  constructor(client: Socket, upstream: Upstream, hold: Hold, around: Surroundings) {
    this.#client = client
    this.#upstream = upstream
    this.#hold = hold
    this.#around = around
    this.#home = { node: hold.link.node, instance: hold.grant.instance, incarnation: hold.grant.incarnation }
    this.#patience = new IdleCountdown(Math.max(around.route.maxBusyMs, acknowledgedMs), () => this.#freeSlot())
    upstream.user = this
    around.metrics.tunnels++
    this.#freeSlot()
  }

  // ── client → app ─────────────────────────────────────────────────────────────────────────────────────────────────

  fromClient(bytes: Buffer): boolean {
    if (this.#over) return true
    this.isNew = false
    if (this.#awake()) this.#send(bytes)
    else {
      this.#unsent.push(Buffer.from(bytes))
      this.#client.pause()
    }
    return true
  }

  #send(bytes: Buffer): void {
    const { socket } = this.#upstream
    const flowing =
      bytes.length > maxStringBytes
        ? socket.write(Buffer.from(bytes))
        : socket.write(bytes.toString('latin1', 0, bytes.length), 'latin1')
    if (!flowing) this.#client.pause()
    this.#movedAt = performance.now()
    this.#patience.rest(this.#movedAt)
  }

  upstreamDrained(): void {
    if (this.#unsent.length === 0 && this.#client.isPaused()) this.#client.resume()
    this.#moved()
  }

  /** An end is told as a byte is: the app may have something to say to it, and must not keep the connection for ever. */
  clientEnded(): boolean {
    this.isNew = false
    this.#clientIs = 'ended'
    if (!this.#over && this.#awake()) this.#tellEnd()
    return true
  }

  clientGone(): void {
    if (this.#over) return
    this.#clientIs = 'gone'
    if (this.#awake()) this.#tellEnd()
  }

  #tellEnd(): void {
    const { socket } = this.#upstream
    if (this.#clientIs === 'gone') socket.destroySoon()
    else socket.end()
    this.#patience.rest(performance.now())
  }

  // ── app → client ─────────────────────────────────────────────────────────────────────────────────────────────────

  fromUpstream(bytes: Buffer): void {
    const { length } = bytes
    const flowing =
      length > maxStringBytes
        ? this.#client.write(Buffer.from(bytes))
        : this.#client.write(bytes.toString('latin1', 0, length), 'latin1')
    if (!flowing) this.#upstream.socket.pause()
    if (this.#hold.state === 'held') this.#hold.egressBytes += length
    else this.#owedBytes += length
    this.#movedAt = performance.now()
    this.isNew = false
    this.#moved()
  }

  /** The client takes more: the app may have more, and was perhaps put to sleep because nothing moved. */
  clientDrained(): void {
    const { socket } = this.#upstream
    if (this.#over || !socket.isPaused()) return
    socket.resume()
    this.#moved()
  }

  upstreamEnded(): void {
    this.isNew = false
    this.#appEnded = true
    this.#client.end()
    this.#moved()
  }

  // ── awake or not ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** The app spoke, or can speak on: it is not waited for any more, and has its idle time for what may follow. */
  #moved(): void {
    if (this.#over || this.#waitsSince !== undefined) return
    if (this.#hasSlot) this.#freeSlot()
    else if (this.#hold.usable(performance.now())) this.#hold.touch(performance.now())
    else this.#awake()
  }

  #freeSlot(): void {
    this.#patience.busy()
    if (!this.#hasSlot) return
    this.#hasSlot = false
    this.#hold.free()
  }

  /** True: the instance is awake and stays so for us. Otherwise `admitted` or `refused` follows. */
  #awake(): boolean {
    const now = performance.now()
    if (this.#waitsSince !== undefined) return false
    const usable = this.#hold.usable(now)
    if (this.#hasSlot && usable) return true
    this.#freeSlot()
    const app = this.#around.holds.ofRelease(this.#around.route)
    const hold = usable ? this.#hold.take() : app.takeOf(this.#home, now)
    if (hold) {
      this.#use(hold)
      return true
    }
    this.#waitsSince = now
    app.waitFor(this.#home, this)
    return false
  }

  #use(hold: Hold): void {
    this.#hold = hold
    this.#hasSlot = true
    hold.egressBytes += this.#owedBytes
    this.#owedBytes = 0
  }

  admitted(hold: Hold): void {
    this.#around.metrics.wake.of[hold.grant.from].add(performance.now() - (this.#waitsSince as number))
    this.#waitsSince = undefined
    this.#use(hold)
    const unsent = this.#unsent
    this.#unsent = []
    for (const bytes of unsent) this.#send(bytes)
    if (this.#clientIs !== 'open') this.#tellEnd()
    else if (unsent.length === 0) this.#freeSlot()
    if (!this.#upstream.socket.writableNeedDrain && this.#client.isPaused()) this.#client.resume()
  }

  refused(error: Error): void {
    this.#waitsSince = undefined
    this.#finish(errorFields(error).code)
    this.#upstream.destroy()
  }

  /** Gives the upstream up and leaves the client's connection as it is, for another tunnel. */
  abandon(): void {
    this.#over = true
    clearInterval(this.#leaving)
    this.#around.metrics.tunnels--
    this.#patience.stop()
    this.#freeSlot()
    this.#upstream.user = undefined
    this.#upstream.destroy()
  }

  get route(): Route {
    return this.#around.route
  }

  /** Another release has taken over: the client shall find it by connecting anew, once nothing is under way here. */
  leave(): void {
    const { idleMs } = this.#around.route
    this.#leaving ??= setInterval(() => {
      const waits = this.#hasSlot || this.#waitsSince !== undefined
      if (waits || performance.now() - this.#movedAt < idleMs) return
      this.#finish('instance.ended')
      this.#upstream.destroy()
    }, idleMs)
  }

  /** Its machine is silent: nobody else can go on with what this connection has begun. */
  upstreamDoubted(): void {}

  upstreamGivenUp(): void {
    this.#upstream.socket.destroy(new NodeSilent(givenUpAfterMs))
  }

  /** A tunnel begins with an open connection. */
  upstreamReady(): void {}

  upstreamClosed(error: Error | undefined): void {
    this.#finish(this.#appEnded && !error ? undefined : (this.#upstream.pool.goneBecause?.code ?? cutOff))
  }

  /** The client learns the difference between an app that ended the connection and one that is no more. */
  #finish(why: string | undefined): void {
    if (this.#over) return
    this.#over = true
    clearInterval(this.#leaving)
    const { metrics, holds, route } = this.#around
    metrics.tunnels--
    if (this.#waitsSince !== undefined) holds.ofRelease(route).leave(this.#home, this)
    this.#patience.stop()
    this.#freeSlot()
    if (this.#clientIs === 'gone') return
    if (why) metrics.tunnelsBroken.inc({ code: why })
    if (why) this.#client.resetAndDestroy()
    else linger(this.#client)
  }
}
