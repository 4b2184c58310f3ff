import { setTimeout as delay } from 'node:timers/promises'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { z } from 'zod'
import type { Logger } from '../core/log.ts'
import { ClusterAway, ClusterClosed, ClusterLost } from './errors.ts'

export const NatsConfig = z.object({ url: z.string(), user: z.string(), pass: z.string() })
export type NatsConfig = z.infer<typeof NatsConfig>

/** `since`: ms since the epoch. */
export type Link = { state: 'connected' | 'away' | 'closed'; since: number }

const retryMs = 250

/**
 * This process's line to NATS. It opens at once, also while NATS is away, and tries for ever: whoever needs an answer
 * waits with a deadline, and everything that lasts (watches, subscriptions) starts again by itself.
 */
export class Cluster implements AsyncDisposable {
  #link: Link = { state: 'away', since: Date.now() }
  #nats: NatsConnection | undefined
  readonly #listeners = new Set<(link: Link) => void>()
  readonly #closing = new AbortController()
  readonly log: Logger | undefined

  static open(config: NatsConfig, { name, log }: { name: string; log?: Logger }): Cluster {
    const cluster = new Cluster(log)
    void cluster.#connectForEver(config, name)
    return cluster
  }

  private constructor(log: Logger | undefined) {
    this.log = log
  }

  get link(): Link {
    return this.#link
  }

  /** Aborted when this side closes: ends every loop that would otherwise try for ever. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** The connection if it is up this moment; for what is worthless when late. */
  get now(): NatsConnection | undefined {
    return this.#link.state === 'connected' ? this.#nats : undefined
  }

  /** Tells each change of the link; not the present one. Returns how to stop listening. */
  onLink(listener: (link: Link) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The connection, waiting for it if need be; throws ClusterAway after the deadline, ClusterClosed after close() or abort. */
  async connection(what: string, deadlineMs = 5_000, signal?: AbortSignal): Promise<NatsConnection> {
    if (this.now) return this.now
    if (this.closing.aborted || signal?.aborted) throw new ClusterClosed()
    const { promise, resolve, reject } = Promise.withResolvers<NatsConnection>()
    const timer = setTimeout(() => reject(new ClusterAway(what, this.#link.since)), deadlineMs)
    const closed = () => reject(new ClusterClosed())
    const forget = this.onLink(() => (this.now ? resolve(this.now) : this.closing.aborted && closed()))
    signal?.addEventListener('abort', closed)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', closed)
      forget()
    }
  }

  /** The outcome of what was asked on the present connection; throws ClusterLost at once when that breaks: its answer never comes. */
  async unlessLost<T>(what: string, answer: Promise<T>): Promise<T> {
    const { promise: lost, reject } = Promise.withResolvers<never>()
    const forget = this.onLink(() => reject(new ClusterLost(what)))
    answer.catch(() => {}) // it may fail long after nobody waits for it any more
    try {
      return await Promise.race([answer, lost])
    } finally {
      forget()
    }
  }

  /** Sends what is still buffered (at most 2 s) and ends. */
  async close(): Promise<void> {
    if (this.closing.aborted) return
    const nats = this.#nats
    const flushed = this.now?.flush().catch(() => {}) // a server that goes away now takes nothing that was promised
    this.#closing.abort()
    await Promise.race([flushed, delay(2_000, undefined, { ref: false })])
    this.#become('closed')
    await nats?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #connectForEver(config: NatsConfig, name: string): Promise<void> {
    while (!this.closing.aborted) {
      try {
        const nats = await connect({
          servers: config.url,
          user: config.user,
          pass: config.pass,
          name,
          timeout: 2_000,
          maxReconnectAttempts: -1,
          reconnectTimeWait: retryMs,
          reconnectJitter: 50,
          ignoreAuthErrorAbort: true, // a password that is being rotated is no reason to give up
          pingInterval: 5_000, // a server that is stopped (not gone) is noticed after 10 to 15 s
          maxPingOut: 2,
        })
        if (this.closing.aborted) return await nats.close()
        this.#nats = nats
        this.#become('connected')
        return await this.#follow(nats)
      } catch (error) {
        this.log?.debug({ error: String(error) }, 'NATS does not answer yet')
        await delay(retryMs, undefined, { signal: this.closing }).catch(() => {})
      }
    }
  }

  async #follow(nats: NatsConnection): Promise<void> {
    for await (const status of nats.status()) {
      if (status.type === 'disconnect') this.#become('away')
      if (status.type === 'reconnect') this.#become('connected')
      if (status.type === 'error') this.log?.warn({ error: status.error.message }, 'NATS reports an error')
    }
  }

  #become(state: Link['state']): void {
    if (this.#link.state === state || this.#link.state === 'closed') return
    this.#link = { state, since: Date.now() }
    this.log?.info({ state }, 'NATS link')
    for (const listener of [...this.#listeners]) listener(this.#link)
  }
}
