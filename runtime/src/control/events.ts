import { z } from 'zod'
import type { Cluster } from '../cluster/connect.ts'
import { publish, read } from '../cluster/stream.ts'
import { type AppEvent, subjects } from '../cluster/subjects.ts'
import { type AppName, appName, nodeId, type TeamId, teamId } from '../core/ids.ts'
import type { Release } from '../model/release.ts'

const Event = z.object({
  at: z.number(),
  team: z.string().transform(teamId),
  app: z.string().transform(appName),
  release: z.number(),
  node: z.string().transform(nodeId).optional(),
  instance: z.string().optional(),
  kind: z.enum([
    'image',
    'template',
    'start',
    'warm',
    'parked',
    'live',
    'failed',
    'crashed',
    'unhealthy',
    'ended',
    'dropped',
    'lost',
  ]),
  message: z.string(),
  tookMs: z.number().optional(),
  error: z
    .object({ code: z.string(), message: z.string(), hint: z.string(), status: z.number().optional() })
    .optional(),
}) as unknown as z.ZodType<AppEvent> // exactOptionalPropertyTypes: zod's optional fields may hold undefined, JSON's never do

export type Events = ReturnType<typeof openEvents>

export const openEvents = (cluster: Cluster) => ({
  /** Tells the world what the control did; the answer is the event's place in the stream. */
  async tell({ team, app, number }: Release, event: Pick<AppEvent, 'kind' | 'message' | 'tookMs' | 'error'>) {
    const told: AppEvent = { at: Date.now(), team, app, release: number, ...event }
    return (await publish(cluster, subjects.events(team, app), told)).sequence
  },

  /** Every event of an app after a place in the stream, until the signal. */
  async *of(team: TeamId, app: AppName, after: number, signal: AbortSignal): AsyncGenerator<AppEvent> {
    const start = { at: 'sequence', sequence: after + 1 } as const
    const filter = subjects.events(team, app)
    for await (const { value } of read(cluster, {
      stream: 'EVENTS',
      filter,
      schema: Event,
      start,
      follow: true,
      signal,
    })) {
      yield value
    }
  },
})
