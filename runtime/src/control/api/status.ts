import type { Cluster } from '../../cluster/connect.ts'
import type { Cloud } from '../cloud.ts'
import { readStatus } from '../status.ts'
import { person } from './access.ts'
import type { Api } from './route-types.ts'
import { ErrorBody, Status } from './schema.ts'

export function statusRoutes(server: Api, cloud: Cloud, cluster: Cluster) {
  const schema = { summary: 'Nodes, roles, isolation, versions', response: { 200: Status, default: ErrorBody } }
  server.get('/v1/status', { schema }, async (request) => {
    await person(cloud, request)
    return readStatus(cloud, cluster)
  })
}
