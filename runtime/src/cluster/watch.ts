import { setTimeout as delay } from 'node:timers/promises'
import type { JsMsg } from '@nats-io/jetstream'
import { type Bucket, bucketStream, bucketSubject, type Entry, operationHeader } from './bucket.ts'
import { ClusterAway } from './errors.ts'
import { decode } from './json.ts'
import { orderedSession } from './ordered.ts'

export type Change<T> =
  | { type: 'put'; key: string; value: T; revision: number }
  | { type: 'removed'; key: string; revision: number }

export interface WatchOptions<T> {
  /** Every difference, in order: first all that is there, later each change; after an outage only what really changed. */
  onChange: (change: Change<T>) => void
  /** What was known before NATS was asked (from disk), and since when that may be out of date. */
  known?: { entries: Iterable<Entry<T>>; staleSince: number }
  /** Called each time the entries are what NATS has this moment. */
  onSynced?: () => void
  signal?: AbortSignal
}

/** The bucket's content, followed for as long as the process lives; while NATS is away it stays as it was last seen. */
export class BucketWatch<T> {
  readonly #bucket: Bucket<T>
  readonly #options: WatchOptions<T>
  readonly #entries = new Map<string, Entry<T>>()
  readonly #stopping = new AbortController()
  readonly #firstSync = Promise.withResolvers<void>()
  readonly #loop: Promise<void>
  #staleSince: number | undefined

  constructor(bucket: Bucket<T>, options: WatchOptions<T>) {
    this.#bucket = bucket
    this.#options = options
    this.#firstSync.promise.catch(() => {}) // nobody has to wait for it
    this.#staleSince = options.known?.staleSince ?? 0
    for (const entry of options.known?.entries ?? []) this.#put(entry)
    const stop = () => this.#stopping.abort()
    for (const signal of [bucket.cluster.closing, ...(options.signal ? [options.signal] : [])]) {
      if (signal.aborted) stop()
      signal.addEventListener('abort', stop, { once: true })
    }
    this.#loop = this.#follow()
  }

  get entries(): ReadonlyMap<string, Entry<T>> {
    return this.#entries
  }

  value(key: string): T | undefined {
    return this.#entries.get(key)?.value
  }

  /** undefined while every change arrives; else since when changes may be missing, ms since the epoch; 0: nothing was ever seen. */
  get staleSince(): number | undefined {
    return this.#staleSince
  }

  /** Resolves once the entries were what NATS has, for the first time; throws ClusterAway after the deadline. */
  async ready(deadlineMs = 5_000): Promise<void> {
    const { link } = this.#bucket.cluster
    const late = delay(deadlineMs, undefined, { ref: false }).then(() => {
      throw new ClusterAway(this.#bucket.name, link.since)
    })
    await Promise.race([this.#firstSync.promise, late])
  }

  /** Nothing is told afterwards. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#loop
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        await this.#session(signal)
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof ClusterAway)) this.#bucket.cluster.log?.warn({ error: String(error) }, 'watch again')
        await delay(100, undefined, { signal }).catch(() => {})
      } finally {
        this.#staleSince ??= Date.now()
      }
    }
  }

  async #session(signal: AbortSignal): Promise<void> {
    const { cluster, name } = this.#bucket
    const nats = await cluster.connection(name, 60_000, signal)
    await this.#bucket.ensure()
    const { pending, messages } = await orderedSession(cluster, nats, {
      stream: bucketStream(name),
      filter: bucketSubject(name, '>'),
      start: { at: 'last-per-subject' },
      signal,
    })
    const seen = new Set<string>()
    let toCome = pending
    if (toCome === 0) this.#snapshotEnds(seen)
    for await (const message of messages) {
      if (signal.aborted) return
      this.#apply(message, seen)
      if (toCome > 0 && --toCome === 0) this.#snapshotEnds(seen)
    }
  }

  #apply(message: JsMsg, seen: Set<string>): void {
    const key = message.subject.slice(bucketSubject(this.#bucket.name, '').length)
    const revision = message.seq
    const operation = message.headers?.get(operationHeader)
    if (operation === 'DEL' || operation === 'PURGE') {
      this.#remove(key, revision)
      return
    }
    seen.add(key)
    if (this.#entries.get(key)?.revision === revision) return
    const value = this.#readable(message, key)
    if (value !== undefined) this.#put({ key, value, revision })
  }

  /** What cannot be read changes nothing: "unknown" is never a reason to tear something down. */
  #readable(message: JsMsg, key: string): T | undefined {
    const { cluster, name, schema } = this.#bucket
    try {
      return decode(message.data, schema, `${key} in ${name}`)
    } catch (error) {
      cluster.log?.error({ key, revision: message.seq, error: String(error) }, 'unreadable value is ignored')
      return undefined
    }
  }

  #snapshotEnds(seen: ReadonlySet<string>): void {
    for (const { key, revision } of [...this.#entries.values()]) if (!seen.has(key)) this.#remove(key, revision)
    this.#staleSince = undefined
    this.#options.onSynced?.()
    this.#firstSync.resolve()
  }

  #put(entry: Entry<T>): void {
    this.#entries.set(entry.key, entry)
    this.#options.onChange({ type: 'put', ...entry })
  }

  #remove(key: string, revision: number): void {
    if (this.#entries.delete(key)) this.#options.onChange({ type: 'removed', key, revision })
  }
}
