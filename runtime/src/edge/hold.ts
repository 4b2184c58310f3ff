import { setTimeout as delay } from 'node:timers/promises'
import { type ErrorFields, RemoteError } from '../core/errors.ts'
import type { Grant, HeldByEdge, HoldUsage } from '../fabric/hold.ts'
import { IdleCountdown } from './idle.ts'
import type { NodeLink } from './node-link.ts'
import type { Pool } from './upstreams.ts'

/** What happens to a hold; the app it belongs to acts on it. */
export interface HoldEvents {
  freed(hold: Hold): void
  idle(hold: Hold): void
}

/** This edge's right to send requests to one instance. Its slots are counted, not made: taking one costs nothing. */
export class Hold {
  readonly grant: Grant
  readonly link: NodeLink
  readonly pool: Pool
  soft: number
  hard: number
  inFlight = 0
  requests = 0
  egressBytes = 0
  /** Why the instance is no more. */
  goneBecause: RemoteError | undefined
  state: 'held' | 'lettingGo' | 'over' = 'held'
  readonly #idle: IdleCountdown
  readonly #over = Promise.withResolvers<void>()
  readonly #events: HoldEvents

  constructor(grant: Grant, link: NodeLink, pool: Pool, idleMs: number, events: HoldEvents) {
    this.grant = grant
    this.link = link
    this.pool = pool
    this.soft = grant.soft
    this.hard = grant.hard
    this.#events = events
    this.#idle = new IdleCountdown(idleMs, () => events.idle(this))
    this.#idle.rest(performance.now())
  }

  hasRoom(limit: 'soft' | 'hard', now: number): boolean {
    return this.inFlight < this[limit] && this.usable(now)
  }

  /** The instance is awake for us: its agent knows of this hold and keeps it. */
  usable(now: number): boolean {
    return this.state === 'held' && now < this.link.aliveUntil
  }

  /** Something moved that has no slot: the idle countdown begins anew, and lasts for `atLeastMs`. */
  touch(now: number, atLeastMs = 0): void {
    if (this.inFlight > 0 || this.state !== 'held') return
    this.#idle.rest(now)
    if (atLeastMs > 0) this.#idle.restUntil(now + atLeastMs)
  }

  takeIfUsable(now: number): this | undefined {
    return this.usable(now) ? this.take() : undefined
  }

  take(): this {
    this.inFlight++
    this.requests++
    this.#idle.busy()
    return this
  }

  /** To be called once per `take`, after the last byte of the reply has come. */
  free(): void {
    this.inFlight--
    if (this.inFlight === 0 && this.state === 'held') this.#idle.rest(performance.now())
    this.#events.freed(this)
  }

  end(reason?: ErrorFields): void {
    this.state = 'over'
    this.#idle.stop()
    if (reason) this.goneBecause = new RemoteError({ ...reason, status: 502 })
    this.#over.resolve()
  }

  /** Resolves when it has ended, for which `goneBecause` may say a reason; at the latest after `deadlineMs`. */
  async ended(deadlineMs: number): Promise<void> {
    await Promise.race([this.#over.promise, delay(deadlineMs, undefined, { ref: false })])
  }

  usage(): HoldUsage {
    return { hold: this.grant.hold, requests: this.requests, egressBytes: this.egressBytes, inFlight: this.inFlight }
  }

  asHeld(): HeldByEdge {
    const { hold, instance, incarnation } = this.grant
    return { hold, instance, incarnation, soft: this.soft, hard: this.hard }
  }
}
