import { type Bucket, bucketStream, bucketSubject, type Entry, operationHeader } from './bucket.ts'
import { ClusterAway } from './errors.ts'
import { decode } from './json.ts'
import { orderedSession } from './ordered.ts'

/**
 * The bucket's entries this moment, own writes included. `filter` is a pattern of keys: `*` is one part, `>` the rest.
 * What cannot be read is left out and logged. Throws ClusterAway when NATS goes away meanwhile.
 */
export async function list<T>(bucket: Bucket<T>, filter = '>'): Promise<Entry<T>[]> {
  const { cluster, name, schema } = bucket
  await bucket.ensure()
  const nats = await cluster.connection(name)
  const ended = new AbortController()
  try {
    const { pending, messages } = await orderedSession(cluster, nats, {
      stream: bucketStream(name),
      filter: bucketSubject(name, filter),
      start: { at: 'last-per-subject' },
      signal: ended.signal,
    })
    const entries: Entry<T>[] = []
    if (pending === 0) return entries
    let toCome = pending
    for await (const message of messages) {
      const key = message.subject.slice(bucketSubject(name, '').length)
      if (!message.headers?.get(operationHeader)) {
        try {
          entries.push({ key, value: decode(message.data, schema, `${key} in ${name}`), revision: message.seq })
        } catch (error) {
          cluster.log?.error({ key, error: String(error) }, 'unreadable value is left out')
        }
      }
      if (--toCome === 0) return entries
    }
    throw new ClusterAway(name, Date.now())
  } finally {
    ended.abort()
  }
}
