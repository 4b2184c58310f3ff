import { z } from 'zod'
import type { Cloud } from '../cloud.ts'
import { deploy } from '../deploy/deploy.ts'
import { makePlan, type Plan } from '../deploy/plan.ts'
import { DeployEvent, Live } from '../deploy/steps.ts'
import { DeployCancelled } from '../errors.ts'
import { isLocal, person } from './access.ts'
import { ndjson } from './ndjson.ts'
import type { Api } from './route-types.ts'
import { DeployRequest, ErrorBody } from './schema.ts'

const ErrorEvent = ErrorBody.extend({ type: z.literal('error') })
const schema = {
  summary: 'Deploys a new release and streams its steps; the last line is `live` or `error`',
  description: 'What is wrong with the request itself is answered with its status. Closing the connection cancels it.',
  params: z.object({ app: z.string() }),
  body: DeployRequest,
  response: {
    200: { content: { 'application/x-ndjson': { schema: z.union([DeployEvent, Live, ErrorEvent]) } } },
    default: ErrorBody,
  },
}

export function deployRoutes(server: Api, cloud: Cloud) {
  server.post('/v1/apps/:app/deploys', { schema }, async (request, reply) => {
    const { team, name } = await person(cloud, request)
    const plan = await makePlan(cloud, { team, name, local: isLocal(request) }, request.params.app, request.body)
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort('the client went away'))
    reply.type('application/x-ndjson')
    // The type provider knows of no streams: what is sent is the content above, line by line.
    return reply.send(ndjson(steps(cloud, plan, gone.signal), cloud.log) as never)
  })
}

/** The events of a deploy as they happen. It goes on to its end (or roll-back) also when nobody reads them any more. */
async function* steps(cloud: Cloud, plan: Plan, signal: AbortSignal): AsyncGenerator<DeployEvent | Live> {
  const told: DeployEvent[] = []
  let wake = Promise.withResolvers<void>()
  let ended = false
  const tell = (event: DeployEvent) => {
    told.push(event)
    wake.resolve()
  }
  const done = deploy(cloud, plan, tell, signal).finally(() => {
    ended = true
    wake.resolve()
  })
  done.catch((error: unknown) => {
    const level = error instanceof DeployCancelled ? 'info' : 'warn'
    cloud.log[level]({ team: plan.team, app: plan.app, error: String(error) }, 'a deploy failed')
  })
  while (true) {
    yield* told.splice(0)
    if (ended && told.length === 0) break
    await wake.promise
    wake = Promise.withResolvers()
  }
  yield await done
}
