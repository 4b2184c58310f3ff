import { z } from 'zod'
import type { Cloud } from '../cloud.ts'
import { type Token, whoHolds } from '../tokens.ts'
import { whoAsks } from './access.ts'
import type { Api } from './route-types.ts'
import { ErrorBody, WhoAmI } from './schema.ts'

const view = ({ team, name, role }: Token) => ({ team, name, role })

export function whoRoutes(server: Api, cloud: Cloud) {
  server.get(
    '/v1/whoami',
    { schema: { summary: 'Who the token stands for', response: { 200: WhoAmI, default: ErrorBody } } },
    async (request) => view(await whoAsks(cloud, request)),
  )

  server.post(
    '/v1/login',
    {
      schema: {
        summary: 'Checks a token before a client keeps it',
        body: z.strictObject({ token: z.string().min(1).max(1_000) }),
        response: { 200: WhoAmI, default: ErrorBody },
        security: [],
      },
    },
    async (request) => view(await whoHolds(cloud.state, request.body.token)),
  )
}
