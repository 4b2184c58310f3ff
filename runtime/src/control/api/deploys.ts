import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { AppName, TeamId } from '../../core/ids.ts'
import type { Cloud } from '../cloud.ts'
import { deploy } from '../deploy/deploy.ts'
import { makePlan, namedApp } from '../deploy/plan.ts'
import { rollBack } from '../deploy/roll-back.ts'
import { startApp } from '../deploy/start-app.ts'
import { DeployEvent, Live, type Tell } from '../deploy/steps.ts'
import { DeployCancelled } from '../errors.ts'
import { isLocal, person } from './access.ts'
import { ndjson } from './ndjson.ts'
import type { Api } from './route-types.ts'
import { DeployRequest, ErrorBody, RollbackRequest } from './schema.ts'

const ErrorEvent = ErrorBody.extend({ type: z.literal('error') })
const params = z.object({ app: z.string() })
const response = {
  200: { content: { 'application/x-ndjson': { schema: z.union([DeployEvent, Live, ErrorEvent]) } } },
  default: ErrorBody,
}
const description =
  'What is wrong with the request itself is answered with its status. Closing the connection cancels it, until it is live.'

export function deployRoutes(server: Api, cloud: Cloud) {
  const deploys = { summary: 'Deploys a new release and streams its steps; the last line is `live` or `error`' }
  server.post(
    '/v1/apps/:app/deploys',
    { schema: { ...deploys, description, params, body: DeployRequest, response } },
    async (request, reply) => {
      const { team, name } = await person(cloud, request)
      const plan = await makePlan(cloud, { team, name, local: isLocal(request) }, request.params.app, request.body)
      return send(cloud, reply, plan, (tell, signal) => deploy(cloud, plan, tell, signal))
    },
  )

  const rollbacks = { summary: 'Lets an earlier release serve again, or ends a canary; streamed as a deploy is' }
  server.post(
    '/v1/apps/:app/rollback',
    { schema: { ...rollbacks, description, params, body: RollbackRequest, response } },
    async (request, reply) => {
      const { team } = await person(cloud, request)
      const ask = { team, app: namedApp(request.params.app), number: request.body.release }
      return send(cloud, reply, ask, (tell, signal) => rollBack(cloud, ask, tell, signal))
    },
  )

  const starts = { summary: 'Starts a stopped app with the release it had; streamed as a deploy is' }
  server.post(
    '/v1/apps/:app/start',
    { schema: { ...starts, description, params, response } },
    async (request, reply) => {
      const { team } = await person(cloud, request)
      const named = { team, app: namedApp(request.params.app) }
      return send(cloud, reply, named, (tell, signal) => startApp(cloud, named, tell, signal))
    },
  )
}

type Change = (tell: Tell, signal: AbortSignal) => Promise<Live>

function send(cloud: Cloud, reply: FastifyReply, named: { team: TeamId; app: AppName }, change: Change) {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort('the client went away'))
  reply.type('application/x-ndjson')
  // The type provider knows of no streams: what is sent is the content above, line by line.
  return reply.send(
    ndjson(
      steps(cloud, named, (tell) => change(tell, gone.signal)),
      cloud.log,
    ) as never,
  )
}

/** The events of a deploy as they happen. It goes on to its end (or roll-back) also when nobody reads them any more. */
async function* steps(
  cloud: Cloud,
  { team, app }: { team: TeamId; app: AppName },
  change: (tell: Tell) => Promise<Live>,
): AsyncGenerator<DeployEvent | Live> {
  const told: DeployEvent[] = []
  let wake = Promise.withResolvers<void>()
  let ended = false
  const tell = (event: DeployEvent) => {
    told.push(event)
    wake.resolve()
  }
  const done = change(tell).finally(() => {
    ended = true
    wake.resolve()
  })
  done.catch((error: unknown) => {
    const level = error instanceof DeployCancelled ? 'info' : 'warn'
    cloud.log[level]({ team, app, error: String(error) }, 'a deploy failed')
  })
  while (true) {
    yield* told.splice(0)
    if (ended && told.length === 0) break
    await wake.promise
    wake = Promise.withResolvers()
  }
  yield await done
}
