import { type ConsumerMessages, JetStreamApiError, type JsMsg, jetstream } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Cluster } from './connect.ts'
import { ClusterRefused } from './errors.ts'

/** Where to begin: every message, the last one of each subject, only those to come, or from a sequence or time on. */
export type Start =
  | { at: 'first' | 'last-per-subject' | 'new' }
  | { at: 'sequence'; sequence: number }
  | { at: 'time'; ms: number }

export interface OrderedSession {
  /** How many messages were waiting when it began. */
  pending: number
  messages: AsyncIterable<JsMsg>
}

/**
 * Messages of a stream in order, without a gap, for as long as this one connection lasts; the iteration ends with it.
 * Whoever wants more starts a new session from where it got to: a server that restarted forgets its ordered consumers,
 * and the client would find out only after a minute of silence.
 */
export async function orderedSession(
  cluster: Cluster,
  nats: NatsConnection,
  { stream, filter, start, signal }: { stream: string; filter: string; start: Start; signal: AbortSignal },
): Promise<OrderedSession> {
  const options = { filter_subjects: filter, ...policy(start) }
  const made = jetstream(nats).consumers.getPushConsumer(stream, options)
  const consumer = await cluster.unlessLost(stream, made).catch((error: unknown) => {
    throw error instanceof JetStreamApiError ? new ClusterRefused(stream, error) : error
  })
  const { num_pending: pending } = await consumer.info(true)
  const messages: ConsumerMessages = await consumer.consume({ abort_on_missing_resource: true })
  let over = false
  const end = () => {
    if (over) return
    over = true
    forget()
    signal.removeEventListener('abort', end)
    messages.stop()
    // NATS itself would forget it five minutes later, and takes no more than 1,000 of them for a stream.
    consumer.delete().catch(() => {})
  }
  const forget = cluster.onLink(end)
  signal.addEventListener('abort', end)
  void messages.closed().finally(end)
  if (signal.aborted || cluster.now !== nats) end()
  return { pending, messages }
}

function policy(start: Start) {
  switch (start.at) {
    case 'first':
      return { deliver_policy: 'all' as const }
    case 'last-per-subject':
      return { deliver_policy: 'last_per_subject' as const }
    case 'new':
      return { deliver_policy: 'new' as const }
    case 'sequence':
      return { deliver_policy: 'by_start_sequence' as const, opt_start_seq: start.sequence }
    case 'time':
      return { deliver_policy: 'by_start_time' as const, opt_start_time: new Date(start.ms).toISOString() }
  }
}
