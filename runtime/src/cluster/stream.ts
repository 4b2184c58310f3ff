import { setTimeout as delay } from 'node:timers/promises'
import { JetStreamApiError, jetstreamManager } from '@nats-io/jetstream'
import type { z } from 'zod'
import { LittleError } from '../core/errors.ts'
import type { Cluster } from './connect.ts'
import { ClusterAway, ClusterRefused } from './errors.ts'
import { decode, encode } from './json.ts'
import type { LogStreamName } from './log-streams.ts'
import { orderedSession, type Start } from './ordered.ts'
import type { StreamName } from './subjects.ts'
import { type WriteOptions, type Written, write } from './write.ts'

export interface StreamMessage<T> {
  /** Position in the stream; a reader that keeps it goes on from `sequence + 1`. */
  sequence: number
  subject: string
  /** When NATS stored it, ms since the epoch. */
  at: number
  value: T
}

export interface ReadOptions<T> {
  stream: StreamName | LogStreamName
  /** A subject or a pattern of it, e.g. subjects.logsOf(team, app). */
  filter: string
  schema: z.ZodType<T>
  start: Start
  /** false: ends once everything that was stored when the reading began was told. */
  follow: boolean
  signal?: AbortSignal
  /** Looks at the bytes before anything is made of them: what it refuses costs no more than that. */
  worthReading?: (data: Uint8Array) => boolean
  /** A message that does not fit the schema is left out; here the reader hears of it. */
  onUnreadable?: (sequence: number, error: unknown) => void
}

/**
 * Stores one message; resolves when it is safe on disk. With a `messageId` it may be repeated within two minutes.
 * Throws ClusterAway (not sent), ClusterTimeout (unknown), ClusterRefused.
 */
export async function publish(cluster: Cluster, subject: string, value: unknown, options: WriteOptions = {}) {
  try {
    return (await write(cluster, subject, encode(value), options)) satisfies Written
  } catch (error) {
    throw error instanceof JetStreamApiError ? new ClusterRefused(subject, error) : error
  }
}

/**
 * A stream's messages in order, each once, over any number of outages of NATS. Without `follow` an outage of 10 s ends
 * it with ClusterAway. The signal, or leaving the loop, ends it quietly.
 */
export async function* read<T>(cluster: Cluster, options: ReadOptions<T>): AsyncGenerator<StreamMessage<T>> {
  const ended = new AbortController()
  const signal = AbortSignal.any([ended.signal, cluster.closing, ...(options.signal ? [options.signal] : [])])
  let { start } = options
  let last = 0
  try {
    while (!signal.aborted) {
      try {
        const nats = await cluster.connection(options.stream, options.follow ? 60_000 : 10_000, signal)
        const session = await orderedSession(cluster, nats, { ...options, start, signal })
        if (session.pending === 0 && !options.follow) return
        let toCome = session.pending
        for await (const message of session.messages) {
          last = message.seq
          start = { at: 'sequence', sequence: last + 1 }
          const told = understood(message, options)
          if (told) yield told
          if (signal.aborted || (--toCome <= 0 && !options.follow)) return
        }
      } catch (error) {
        if (signal.aborted) return
        if (!options.follow) throw error
        if (!(error instanceof ClusterAway)) cluster.log?.warn({ error: String(error), after: last }, 'read again')
        await delay(100, undefined, { signal }).catch(() => {})
      }
    }
  } finally {
    ended.abort()
  }
}

/** The sequence of the newest message; 0 if there never was one. */
export async function lastSequence(cluster: Cluster, stream: StreamName): Promise<number> {
  const nats = await cluster.connection(stream)
  try {
    const manager = await jetstreamManager(nats, { checkAPI: false })
    return (await cluster.unlessLost(stream, manager.streams.info(stream))).state.last_seq
  } catch (error) {
    throw error instanceof LittleError ? error : new ClusterRefused(stream, error as Error)
  }
}

function understood<T>(
  message: { seq: number; subject: string; data: Uint8Array; info: { timestampNanos: number } },
  { schema, onUnreadable, worthReading }: ReadOptions<T>,
): StreamMessage<T> | undefined {
  const { seq: sequence, subject, data, info } = message
  if (worthReading && !worthReading(data)) return undefined
  try {
    const value = decode(data, schema, `message ${sequence} on ${subject}`)
    return { sequence, subject, at: info.timestampNanos / 1e6, value }
  } catch (error) {
    onUnreadable?.(sequence, error)
    return undefined
  }
}
