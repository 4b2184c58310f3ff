import { z } from 'zod'
import { ask } from '../../cluster/ask.ts'
import type { Cluster } from '../../cluster/connect.ts'
import { subjects } from '../../cluster/subjects.ts'
import { CostRow } from '../../model/cost.ts'
import type { Cloud } from '../cloud.ts'
import { person } from './access.ts'
import type { Api } from './route-types.ts'
import { ErrorBody } from './schema.ts'

const schema = {
  summary: 'What the team used and what it costs, in integer micro-credits',
  querystring: z.object({
    by: z.enum(['app', 'hour', 'day', 'team']).default('app'),
    app: z.string().optional(),
    from: z.coerce.number().nonnegative().optional().describe('ms since the epoch; whole hours are counted'),
    to: z.coerce.number().nonnegative().optional(),
  }),
  response: { 200: z.array(CostRow), default: ErrorBody },
}

export function costRoutes(server: Api, cloud: Cloud, cluster: Cluster) {
  server.get('/v1/cost', { schema }, async (request) => {
    const { team } = await person(cloud, request)
    const { by, app, from, to } = request.query
    const question = {
      team,
      by,
      ...(app && { app }),
      ...(from !== undefined && { fromMs: from }),
      ...(to !== undefined && { toMs: to }),
    }
    return ask(cluster, subjects.askBilling('cost'), question, { schema: z.array(CostRow), deadlineMs: 10_000 })
  })
}
