import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { JetStreamApiError, jetstream } from '@nats-io/jetstream'
import type { MsgHdrs } from '@nats-io/transport-node'
import type { Cluster } from './connect.ts'
import { ClusterAway, ClusterTimeout } from './errors.ts'

export interface WriteOptions {
  /** The same id is stored once, however often it is sent within two minutes. Default: a new one for this call. */
  messageId?: string
  /** Store only if the subject's last message has this sequence; 0: only if it has none. */
  lastSequence?: number
  headers?: MsgHdrs
  deadlineMs?: number
  /** An answer that is lost is not asked for again: for a caller that has to look first what else was lost with it. */
  once?: boolean
}

export interface Written {
  sequence: number
  duplicate: boolean
}

/**
 * Stores one message in JetStream, durably. When the answer is lost it is sent again under the same id, so it is stored
 * once. Throws what the server refused as JetStreamApiError; ClusterAway when it was never sent; ClusterTimeout when it
 * may have been stored. With a condition a repeat is refused even if it was its own first try that made the condition
 * false (nats-server 2.15 judges conditions before ids): the caller looks for the id, see Bucket.
 */
export async function write(cluster: Cluster, subject: string, data: Uint8Array, options: WriteOptions = {}) {
  const { messageId = randomUUID(), lastSequence, headers, deadlineMs = 5_000, once = false } = options
  const deadline = performance.now() + deadlineMs
  const left = () => Math.max(1, deadline - performance.now())
  let cause: unknown
  for (let sent = false; performance.now() < deadline; sent = true) {
    try {
      const nats = await cluster.connection(subject, left())
      const stored = jetstream(nats).publish(subject, data, {
        msgID: messageId,
        timeout: Math.min(left(), 2_000),
        ...(lastSequence !== undefined && { expect: { lastSubjectSequence: lastSequence } }),
        ...(headers && { headers }),
      })
      const ack = await cluster.unlessLost(subject, stored)
      return { sequence: ack.seq, duplicate: ack.duplicate } satisfies Written
    } catch (error) {
      if (error instanceof JetStreamApiError) throw error
      if (cluster.closing.aborted || once) throw error
      if (error instanceof ClusterAway) {
        if (sent) break
        throw error
      }
      cause = error
      await delay(Math.min(left(), 50)) // between tries; the connection itself is waited for above
    }
  }
  throw new ClusterTimeout(subject, deadlineMs, cause)
}
