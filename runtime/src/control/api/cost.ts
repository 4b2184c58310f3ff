import { z } from 'zod'
import { ask } from '../../cluster/ask.ts'
import type { Cluster } from '../../cluster/connect.ts'
import { subjects } from '../../cluster/subjects.ts'
import type { Cloud } from '../cloud.ts'
import { person } from './access.ts'
import type { Api } from './route-types.ts'
import { ErrorBody } from './schema.ts'

export const CostRow = z.object({
  key: z.string(),
  kind: z.enum(['run', 'prepare']),
  runMs: z.number(),
  vcpuMs: z.number(),
  mibMs: z.number(),
  egressBytes: z.number(),
  requests: z.number(),
  microCredits: z.string(),
})

const schema = {
  summary: 'What the team used and what it costs, in integer micro-credits',
  querystring: z.object({
    by: z.enum(['app', 'hour', 'day', 'team']).default('app'),
    since: z.coerce.number().nonnegative().optional().describe('ms since the epoch'),
  }),
  response: { 200: z.array(CostRow), default: ErrorBody },
}

export function costRoutes(server: Api, cloud: Cloud, cluster: Cluster) {
  server.get('/v1/cost', { schema }, async (request) => {
    const { team } = await person(cloud, request)
    const { by, since } = request.query
    const question = { team, by, ...(since !== undefined && { since }) }
    return ask(cluster, subjects.askBilling('cost'), question, { schema: z.array(CostRow), deadlineMs: 10_000 })
  })
}
