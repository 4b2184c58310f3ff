import { z } from 'zod'
import { deleteApp, listApps, listInstances, listReleases, oneApp, stopApp } from '../apps.ts'
import type { Cloud } from '../cloud.ts'
import { namedApp } from '../deploy/plan.ts'
import { promote } from '../deploy/promote.ts'
import { person } from './access.ts'
import type { Api } from './route-types.ts'
import { AppView, ErrorBody, InstanceView, ReleaseView } from './schema.ts'

const params = z.object({ app: z.string() })
const answers = <T extends z.ZodType>(schema: T) => ({ 200: schema, default: ErrorBody })

export function appRoutes(server: Api, cloud: Cloud) {
  server.get(
    '/v1/apps',
    { schema: { summary: 'All apps of the team', response: answers(z.array(AppView)) } },
    async (request) => listApps(cloud, (await person(cloud, request)).team),
  )

  server.get('/v1/apps/:app', { schema: { summary: 'One app', params, response: answers(AppView) } }, async (request) =>
    oneApp(cloud, (await person(cloud, request)).team, namedApp(request.params.app)),
  )

  server.get(
    '/v1/apps/:app/releases',
    { schema: { summary: "An app's releases, newest first", params, response: answers(z.array(ReleaseView)) } },
    async (request) => listReleases(cloud, (await person(cloud, request)).team, namedApp(request.params.app)),
  )

  server.get(
    '/v1/ps',
    {
      schema: {
        summary: 'The instances of all apps, or of one, as their nodes answer',
        querystring: z.object({ app: z.string().optional() }),
        response: answers(z.array(InstanceView)),
      },
    },
    async (request) => listInstances(cloud, (await person(cloud, request)).team, request.query.app),
  )

  server.post(
    '/v1/apps/:app/stop',
    {
      schema: {
        summary: 'Ends all instances; the app answers again after its next start, rollback or deploy',
        params,
        response: answers(AppView),
      },
    },
    async (request) => stopApp(cloud, (await person(cloud, request)).team, namedApp(request.params.app)),
  )

  server.post(
    '/v1/apps/:app/promote',
    { schema: { summary: 'Gives the canary all requests', params, response: answers(AppView) } },
    async (request) => promote(cloud, (await person(cloud, request)).team, namedApp(request.params.app)),
  )

  server.delete(
    '/v1/apps/:app',
    {
      schema: {
        summary: 'Removes the app with all its releases',
        params,
        response: { 204: z.null(), default: ErrorBody },
      },
    },
    async (request, reply) => {
      await deleteApp(cloud, (await person(cloud, request)).team, namedApp(request.params.app))
      return reply.code(204).send(null)
    },
  )
}
