import { z } from 'zod'
import type { Cluster } from '../../cluster/connect.ts'
import { knownApp } from '../apps.ts'
import type { Cloud } from '../cloud.ts'
import { namedApp } from '../deploy/plan.ts'
import { hasLogs, type LogCursor, LogLineSchema, readLogs } from '../logs.ts'
import { person } from './access.ts'
import { ndjson } from './ndjson.ts'
import type { Api } from './route-types.ts'
import { ErrorBody } from './schema.ts'

const momentMs = z.coerce.number().nonnegative()

const schema = {
  summary: "An app's log, a line an object; with `follow` it goes on until the connection is closed",
  params: z.object({ app: z.string() }),
  querystring: z.object({
    follow: z.enum(['true', 'false']).default('false'),
    from: momentMs.optional().describe('only lines since then, ms since the epoch'),
    to: momentMs.optional().describe('only lines until then'),
    tail: z.coerce.number().int().min(0).max(100_000).optional().describe('at most so many past lines'),
    grep: z.string().min(1).max(1_000).optional().describe('only lines that hold this text'),
    instance: z.string().max(100).optional(),
    release: z.coerce.number().int().positive().optional(),
    after: z
      .string()
      .regex(/^\d{1,15}\.\d{1,6}$/, 'must be the cursor of a line')
      .optional()
      .describe('the `cursor` of the last line that a reader got who was cut off'),
  }),
  response: {
    200: { content: { 'application/x-ndjson': { schema: LogLineSchema } } },
    default: ErrorBody,
  },
}

export function logRoutes(server: Api, cloud: Cloud, cluster: Cluster) {
  server.get('/v1/apps/:app/logs', { schema }, async (request, reply) => {
    const { team } = await person(cloud, request)
    const app = namedApp(request.params.app)
    if (!(await hasLogs(cluster, team, app))) await knownApp(cloud, team, app) // a deploy that failed left only its log
    const { follow, from, to, after, ...select } = request.query
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    reply.type('application/x-ndjson')
    const query = {
      ...select,
      follow: follow === 'true',
      fromMs: from,
      toMs: to,
      after: after === undefined ? undefined : cursorOf(after),
    }
    return reply.send(ndjson(readLogs(cluster, team, app, query, gone.signal), cloud.log) as never)
  })
}

function cursorOf(text: string): LogCursor {
  const [sequence = 0, index = 0] = text.split('.').map(Number)
  return { sequence, index }
}
