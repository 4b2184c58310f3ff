import type { ErrorFields } from '../core/errors.ts'
import type { InstanceId } from '../core/ids.ts'
import type { Grant } from '../fabric/hold.ts'
import { hasEnded } from './fin-look.ts'
import { Upstream } from './upstream.ts'

/** Kept connections of one instance; each costs the guest some memory, so a burst's are not all kept. */
const maxKept = 256
/** So many of them stay over a sleep: enough for the next wake, and a bound for those that only ever rest. */
const maxKeptAsleep = 8
/** Within this the event loop itself is the look for a FIN; after it the kernel is asked. */
const freshMs = 10
/**
 * A server's keep-alive timeout may end just while a request is on its way. One that cannot be repeated does not take
 * that risk: it gets a new connection when the kept ones rested for longer than this. Shorter than any usual timeout (2 s).
 */
const riskyAfterMs = 1_000

/** Connections to one incarnation of an instance. They outlive its sleep and its holds. */
export class Pool {
  readonly address: string
  readonly port: number
  readonly instance: InstanceId
  readonly incarnation: number
  keep: boolean
  /** Why the instance is no more. */
  goneBecause: ErrorFields | undefined
  /** performance.now() of the latest grant: a connection from before it has slept. */
  grantedAt = 0
  readonly open = new Set<Upstream>()
  #kept: Upstream[] = []

  constructor(grant: Grant) {
    this.address = grant.address
    this.port = grant.port
    this.instance = grant.instance
    this.incarnation = grant.incarnation
    this.keep = grant.keepConnections
  }

  /** It is awake for us again. */
  granted(grant: Grant): void {
    this.keep = grant.keepConnections
    this.grantedAt = performance.now()
    for (const upstream of this.#kept.slice(0, -maxKeptAsleep)) upstream.destroy()
  }

  /** The kept connection that was used last, if it has not ended and is no risk for this request; else undefined. */
  take(canRepeat: boolean, now: number): Upstream | undefined {
    for (let upstream = this.#kept.at(-1); upstream; upstream = this.#kept.at(-1)) {
      const restedMs = now - upstream.restsSince
      const slept = upstream.restsSince < this.grantedAt
      if (!canRepeat && (slept || restedMs > riskyAfterMs)) return undefined
      this.#kept.pop()
      if ((restedMs < freshMs && !slept) || !hasEnded(upstream.socket)) return upstream
      upstream.destroy()
    }
    return undefined
  }

  connect(shared = false): Upstream {
    const upstream = new Upstream(this, shared)
    this.open.add(upstream)
    return upstream
  }

  put(upstream: Upstream, now: number): void {
    if (!this.keep || this.#kept.length >= maxKept) {
      upstream.destroy()
      return
    }
    upstream.restsSince = now
    this.#kept.push(upstream)
  }

  closed(upstream: Upstream): void {
    this.open.delete(upstream)
    const at = this.#kept.indexOf(upstream)
    if (at >= 0) this.#kept.splice(at, 1)
  }

  doubt(): void {
    for (const upstream of [...this.open]) upstream.user?.upstreamDoubted()
  }

  /** Ends what has brought no byte in so many looks. */
  giveUpQuiet(looks: number): void {
    for (const upstream of [...this.open]) if (upstream.quietLooks() >= looks) upstream.user?.upstreamGivenUp()
  }

  destroy(): void {
    for (const upstream of [...this.open]) upstream.destroy()
  }
}

/** Connections to instances, by instance and incarnation. */
export class Upstreams {
  #pools = new Map<string, Pool>()

  pool(grant: Grant): Pool {
    const known = this.#pools.get(grant.instance)
    if (
      known &&
      known.incarnation === grant.incarnation &&
      known.address === grant.address &&
      known.port === grant.port
    ) {
      known.granted(grant)
      return known
    }
    known?.destroy() // what answers there now is not the memory these connections belong to
    const pool = new Pool(grant)
    this.#pools.set(grant.instance, pool)
    return pool
  }

  gone(instance: InstanceId, incarnation: number, reason: ErrorFields): void {
    const pool = this.#pools.get(instance)
    if (pool?.incarnation !== incarnation) return
    this.#pools.delete(instance)
    pool.goneBecause = reason
    pool.destroy()
  }

  close(): void {
    for (const pool of this.#pools.values()) pool.destroy()
    this.#pools.clear()
  }
}
