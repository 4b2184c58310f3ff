import type { Cluster } from '../../cluster/connect.ts'
import type { Cloud } from '../cloud.ts'
import { readTop, Top } from '../top.ts'
import { person } from './access.ts'
import type { Api } from './route-types.ts'
import { ErrorBody } from './schema.ts'

export function topRoutes(server: Api, cloud: Cloud, cluster: Cluster) {
  const schema = {
    summary: "The team's apps with what goes on in them: counters since the edges started, instances by state, cost",
    response: { 200: Top, default: ErrorBody },
  }
  server.get('/v1/top', { schema }, async (request) => readTop(cloud, cluster, (await person(cloud, request)).team))
}
