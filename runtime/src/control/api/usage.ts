import { z } from 'zod'
import type { Cluster } from '../../cluster/connect.ts'
import type { Cloud } from '../cloud.ts'
import { exportUsage, UsageLine } from '../usage.ts'
import { person } from './access.ts'
import { ndjson } from './ndjson.ts'
import type { Api } from './route-types.ts'
import { ErrorBody } from './schema.ts'

const schema = {
  summary: 'The signed usage records, with the keys and sums to verify them by; a line an object',
  querystring: z.object({
    from: z.coerce.number().nonnegative().optional().describe('ms since the epoch; whole hours are counted'),
    to: z.coerce.number().nonnegative().optional(),
    node: z.string().max(100).optional().describe('only the records of this node; sums are left out then'),
  }),
  response: { 200: { content: { 'application/x-ndjson': { schema: UsageLine } } }, default: ErrorBody },
}

export function usageRoutes(server: Api, cloud: Cloud, cluster: Cluster) {
  server.get('/v1/usage', { schema }, async (request, reply) => {
    const { team } = await person(cloud, request)
    const { from, to, node } = request.query
    reply.type('application/x-ndjson')
    const lines = exportUsage(cloud, cluster, { team, fromMs: from, toMs: to, node })
    return reply.send(ndjson(lines, cloud.log) as never)
  })
}
