import type { z } from 'zod'
import type { Cluster } from './connect.ts'
import { decode, encode } from './json.ts'
import { subscribe } from './subscribe.ts'

/** Tells whoever listens now; nothing is kept, and nothing is sent later if NATS is away. */
export function announce(cluster: Cluster, subject: string, value: unknown): void {
  cluster.now?.publish(subject, encode(value))
}

/** Hears what is announced, from now on and over every outage. What does not fit the schema is logged and left out. Returns how to stop. */
export function listen<T>(
  cluster: Cluster,
  subject: string,
  schema: z.ZodType<T>,
  hear: (value: T, subject: string) => void,
): () => void {
  return subscribe(cluster, subject, (message) => {
    try {
      hear(decode(message.data, schema, message.subject), message.subject)
    } catch (error) {
      cluster.log?.warn({ subject: message.subject, error: String(error) }, 'announcement is left out')
    }
  })
}
