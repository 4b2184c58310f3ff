import { z } from 'zod'
import type { Cluster } from '../../cluster/connect.ts'
import { knownApp } from '../apps.ts'
import type { Cloud } from '../cloud.ts'
import { namedApp } from '../deploy/plan.ts'
import { hasLogs, LogLineSchema, readLogs } from '../logs.ts'
import { person } from './access.ts'
import { ndjson } from './ndjson.ts'
import type { Api } from './route-types.ts'
import { ErrorBody } from './schema.ts'

const schema = {
  summary: "An app's log, a line an object; with `follow` it goes on until the connection is closed",
  params: z.object({ app: z.string() }),
  querystring: z.object({
    follow: z.enum(['true', 'false']).default('false'),
    since: z.coerce.number().nonnegative().optional().describe('only the last so many ms'),
    tail: z.coerce.number().int().min(0).max(100_000).optional().describe('at most so many past lines'),
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
    const { follow, since, tail } = request.query
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    reply.type('application/x-ndjson')
    const lines = readLogs(cluster, team, app, { follow: follow === 'true', sinceMs: since, tail }, gone.signal)
    return reply.send(ndjson(lines, cloud.log) as never)
  })
}
