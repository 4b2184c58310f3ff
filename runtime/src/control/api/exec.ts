import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Cluster } from '../../cluster/connect.ts'
import { errorFields, LittleError } from '../../core/errors.ts'
import { knownApp } from '../apps.ts'
import type { Cloud } from '../cloud.ts'
import { namedApp } from '../deploy/plan.ts'
import { InvalidRequest, NotAllowed } from '../errors.ts'
import { beginExec, type ExecLink, ExecRequest } from '../exec.ts'
import { whoHolds } from '../tokens.ts'
import type { Api } from './route-types.ts'

/** What of a WebSocket is used here. */
interface Socket {
  send(text: string): void
  close(): void
  on(event: 'message', hear: (data: unknown) => void): unknown
  on(event: 'close', hear: () => void): unknown
}

const protocol = 'littlecloud.exec.v1'

/** The token comes as a second subprotocol (`token.<token>`), because browsers can send no headers with a WebSocket. */
export const execProtocol = (offered: Set<string>) => (offered.has(protocol) ? protocol : false)

const schema = {
  summary: 'Runs a command inside an instance',
  description: `A WebSocket of the subprotocol ${protocol}. The first message is { type: 'start', command, tty }; then the frames of cluster/subjects.ts, ExecFrame.`,
  params: z.object({ app: z.string() }),
}

export function execRoutes(server: Api, cloud: Cloud, cluster: Cluster) {
  server.route({
    method: 'GET',
    url: '/v1/apps/:app/exec',
    schema,
    handler: () => {
      throw new InvalidRequest(['this route speaks WebSocket only'])
    },
    wsHandler: (socket, request) => {
      const { app } = request.params as z.infer<typeof schema.params>
      const offered = String(request.headers['sec-websocket-protocol'] ?? '').split(/,\s*/)
      const token = offered.find((name) => name.startsWith('token.'))?.slice('token.'.length) ?? ''
      serve(socket, (first) => begin(cloud, cluster, token, app, first, socket), cloud)
    },
  })
}

async function begin(cloud: Cloud, cluster: Cluster, token: string, name: string, first: unknown, socket: Socket) {
  const who = await whoHolds(cloud.state, token)
  if (who.role !== 'owner') throw new NotAllowed(who.role, 'run commands in apps')
  const app = namedApp(name)
  await knownApp(cloud, who.team, app)
  const start = ExecRequest.safeParse(first)
  if (!start.success) throw new InvalidRequest([z.prettifyError(start.error)])
  const ask = { ...start.data, session: randomUUID(), team: who.team, app }
  return beginExec(cloud, cluster, ask, (frame) => {
    socket.send(JSON.stringify(frame))
    if (frame.type === 'exit' || frame.type === 'error') socket.close()
  })
}

/** The first message begins the session; what comes before it has begun waits for it in order. */
function serve(socket: Socket, begin: (first: unknown) => Promise<ExecLink>, cloud: Cloud) {
  let link: Promise<ExecLink> | undefined
  socket.on('message', (data) => {
    const frame = parse(String(data))
    if (link) {
      void link.then(({ send }) => send(frame)).catch(() => {}) // its failure is told below
      return
    }
    link = begin(frame)
    link.catch((error: unknown) => {
      if (!(error instanceof LittleError)) cloud.log.error({ err: error }, 'exec failed')
      socket.send(JSON.stringify({ type: 'error', error: errorFields(error) }))
      socket.close()
    })
  })
  socket.on('close', () => void link?.then(({ close }) => close()).catch(() => {}))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // refused like any frame of the wrong shape
  }
}
