import { randomUUID } from 'node:crypto'
import { JetStreamApiCodes, JetStreamApiError, jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import type { z } from 'zod'
import type { Cluster } from './connect.ts'
import { ClusterRefused, ClusterTimeout, Conflict, KeyExists } from './errors.ts'
import { decode, encode } from './json.ts'
import type { BucketName } from './subjects.ts'
import { type WriteOptions, write } from './write.ts'

export interface Entry<T> {
  key: string
  value: T
  /** Grows with every write to the bucket; what compare-and-set compares. */
  revision: number
}

/** The layout of a bucket on the wire, as NATS' ADR-8 defines it. */
export const bucketStream = (name: BucketName) => `KV_${name}`
export const bucketSubject = (name: BucketName, key: string) => `$KV.${name}.${key}`
export const operationHeader = 'KV-Operation'

/** Desired state of one kind. Values are checked against the schema whenever they are read. */
export class Bucket<T> {
  readonly cluster: Cluster
  readonly name: BucketName
  readonly schema: z.ZodType<T>
  #made: { on: NatsConnection; since: number; made: Promise<unknown> } | undefined

  /** Asks nothing of NATS yet: the bucket is made, if it has to be, at the first use. */
  constructor(cluster: Cluster, name: BucketName, schema: z.ZodType<T>) {
    this.cluster = cluster
    this.name = name
    this.schema = schema
  }

  async get(key: string): Promise<Entry<T> | undefined> {
    const raw = await this.#raw(key)
    if (!raw || raw.deleted) return undefined
    return { key, value: decode(raw.value, this.schema, `${key} in ${this.name}`), revision: raw.revision }
  }

  /** Throws KeyExists if there is a value; a deleted key is free again. */
  async create(key: string, value: T): Promise<number> {
    try {
      return await this.#write(key, encode(value), { lastSequence: 0 })
    } catch (error) {
      if (!isConflict(error)) throw error
      const raw = await this.#raw(key)
      if (raw && !raw.deleted) throw new KeyExists(this.name, key)
      try {
        return await this.#write(key, encode(value), { lastSequence: raw?.revision ?? 0 })
      } catch (second) {
        throw isConflict(second) ? new KeyExists(this.name, key) : second
      }
    }
  }

  /** Overwrites whatever is there: only for keys that have one writer. */
  put(key: string, value: T): Promise<number> {
    return this.#write(key, encode(value), {})
  }

  /** Throws Conflict if the key is no longer at `revision`. */
  async update(key: string, value: T, revision: number): Promise<number> {
    try {
      return await this.#write(key, encode(value), { lastSequence: revision })
    } catch (error) {
      throw isConflict(error) ? new Conflict(this.name, key, revision) : error
    }
  }

  /** Reads, changes and writes until nobody came between; `undefined` from `change` leaves the value as it is. */
  async change(key: string, change: (value: T | undefined) => T | undefined): Promise<T | undefined> {
    for (;;) {
      const before = await this.get(key)
      const after = change(before?.value)
      if (after === undefined) return before?.value
      try {
        await (before ? this.update(key, after, before.revision) : this.create(key, after))
        return after
      } catch (error) {
        if (!(error instanceof Conflict || error instanceof KeyExists)) throw error
      }
    }
  }

  /** With a revision: throws Conflict if it is no longer the present one. Deleting nothing is fine. */
  async delete(key: string, revision?: number): Promise<void> {
    const mark = headers()
    mark.set(operationHeader, 'DEL')
    try {
      const condition = revision === undefined ? {} : { lastSequence: revision }
      await this.#write(key, new Uint8Array(), { headers: mark, ...condition })
    } catch (error) {
      throw isConflict(error) ? new Conflict(this.name, key, revision ?? 0) : error
    }
  }

  /** Makes the bucket if there is none yet; asked once per connection, because a new server may have lost it. */
  async ensure(deadlineMs?: number): Promise<void> {
    const on = await this.cluster.connection(this.name, deadlineMs)
    const { since } = this.cluster.link
    if (this.#made?.on !== on || this.#made.since !== since) {
      const made = new Kvm(on).create(this.name, { history: 1, replicas: 1, allow_direct: false })
      this.#made = { on, since, made }
      made.catch(() => (this.#made = undefined))
    }
    try {
      await this.cluster.unlessLost(this.name, this.#made.made)
    } catch (error) {
      throw translated(error, this.name)
    }
  }

  async #raw(key: string): Promise<Raw | undefined> {
    await this.ensure()
    try {
      const nats = await this.cluster.connection(this.name)
      const manager = await jetstreamManager(nats, { checkAPI: false })
      const last = { last_by_subj: bucketSubject(this.name, key) }
      const message = await this.cluster.unlessLost(key, manager.streams.getMessage(bucketStream(this.name), last))
      if (!message) return undefined
      return {
        value: message.data,
        revision: message.seq,
        deleted: message.header?.has(operationHeader) ?? false,
        messageId: message.header?.get('Nats-Msg-Id'),
      }
    } catch (error) {
      throw translated(error, `${key} in ${this.name}`)
    }
  }

  /** Throws the server's own conflict as it is: what it means depends on the operation. */
  async #write(key: string, data: Uint8Array, options: WriteOptions): Promise<number> {
    await this.ensure()
    const messageId = randomUUID()
    try {
      return (await write(this.cluster, bucketSubject(this.name, key), data, { ...options, messageId })).sequence
    } catch (error) {
      // An answer may have been lost on the way here: then the message that is there is our own.
      if (isConflict(error) || error instanceof ClusterTimeout) {
        const raw = await this.#raw(key).catch(() => undefined)
        if (raw?.messageId === messageId) return raw.revision
      }
      throw isConflict(error) ? error : translated(error, `${key} in ${this.name}`)
    }
  }
}

interface Raw {
  value: Uint8Array
  revision: number
  deleted: boolean
  messageId: string | undefined
}

function isConflict(error: unknown): boolean {
  const { StreamWrongLastSequence, StreamWrongLastSequenceUnknown } = JetStreamApiCodes
  if (!(error instanceof JetStreamApiError)) return false
  return error.code === StreamWrongLastSequence || error.code === StreamWrongLastSequenceUnknown
}

/** Errors of the client become ours; ours stay as they are. */
function translated(error: unknown, what: string): unknown {
  if (error instanceof JetStreamApiError) return new ClusterRefused(what, error)
  if (error instanceof Error && error.name === 'TimeoutError') return new ClusterTimeout(what, 5_000, error)
  return error
}
