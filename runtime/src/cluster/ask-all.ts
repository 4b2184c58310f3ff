import type { z } from 'zod'
import { Answer } from './ask.ts'
import type { Cluster } from './connect.ts'
import { decode, encode } from './json.ts'

/** Nobody answers later than this after the one before, unless its machine is in trouble. */
const quietMs = 400
const deadlineMs = 3_000

/**
 * Asks every role that listens and gives the answers that came: whoever is gone or too slow is missing. Answers that
 * cannot be read, and errors, are logged and left out. Throws ClusterAway.
 */
export async function askAll<T>(cluster: Cluster, subject: string, question: unknown, schema: z.ZodType<T>) {
  const nats = await cluster.connection(subject, deadlineMs)
  const answers: T[] = []
  const options = { strategy: 'stall', stall: quietMs, maxWait: deadlineMs } as const
  for await (const reply of await nats.requestMany(subject, encode(question), options)) {
    if (reply.data.length === 0) continue // nobody listens: NATS says so with an empty message
    try {
      const answer = decode(reply.data, Answer, `an answer to ${subject}`)
      if ('ok' in answer) answers.push(schema.parse(answer.ok))
    } catch (error) {
      cluster.log?.warn({ subject, error: String(error) }, 'an answer is left out')
    }
  }
  return answers
}
