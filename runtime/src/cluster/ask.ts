import { errors, type Msg } from '@nats-io/transport-node'
import { z } from 'zod'
import { errorFields, LittleError, RemoteError } from '../core/errors.ts'
import type { Cluster } from './connect.ts'
import { AnswerTimeout, NobodyAnswers } from './errors.ts'
import { decode, encode } from './json.ts'
import { subscribe } from './subscribe.ts'

const Fields = z.object({ code: z.string(), message: z.string(), hint: z.string(), status: z.number() })
/** What comes back: the answer, or why there is none. */
export const Answer = z.union([z.object({ error: Fields }), z.object({ ok: z.unknown() })])

export interface AskOptions<T> {
  schema: z.ZodType<T>
  deadlineMs: number
}

/**
 * Asks another role and gives its answer. Throws what the other side foresaw as RemoteError with its code; NobodyAnswers
 * at once when no such role runs; AnswerTimeout; ClusterAway. The question may have been carried out if there was no answer.
 */
export async function ask<T>(cluster: Cluster, subject: string, question: unknown, options: AskOptions<T>): Promise<T> {
  const { schema, deadlineMs } = options
  const began = performance.now()
  const nats = await cluster.connection(subject, deadlineMs)
  let reply: Msg
  try {
    const timeout = Math.max(1, deadlineMs - (performance.now() - began))
    reply = await nats.request(subject, encode(question), { timeout })
  } catch (error) {
    if (error instanceof errors.RequestError && error.isNoResponders()) throw new NobodyAnswers(subject)
    if (error instanceof errors.NoRespondersError) throw new NobodyAnswers(subject)
    throw new AnswerTimeout(subject, deadlineMs, error)
  }
  const answer = decode(reply.data, Answer, `the answer to ${subject}`)
  if ('error' in answer) throw new RemoteError(answer.error)
  return schema.parse(answer.ok ?? null)
}

/** Answers questions for as long as the process lives. What it throws reaches the asker; a bug only as `internal`. Returns how to stop. */
export function answer<Q>(
  cluster: Cluster,
  subject: string,
  schema: z.ZodType<Q>,
  handle: (question: Q) => unknown,
): () => void {
  return subscribe(cluster, subject, (message) => {
    void Promise.resolve()
      .then(() => handle(decode(message.data, schema, subject)))
      .then(
        (ok) => message.respond(encode({ ok })),
        (error: unknown) => {
          if (!(error instanceof LittleError)) cluster.log?.error({ subject, err: error }, 'a question failed')
          message.respond(encode({ error: errorFields(error) }))
        },
      )
  })
}
