import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Server } from 'node:net'
import type { Registry } from 'prom-client'
import { errorFields, LittleError } from '../core/errors.ts'
import type { EdgeId } from '../core/ids.ts'
import type { Logger } from '../core/log.ts'
import { Client } from './client.ts'
import { Holds } from './holds.ts'
import { Metrics } from './metrics.ts'
import type { Nodes } from './nodes.ts'
import type { Routes } from './routes.ts'
import { type Service, serve } from './serve.ts'
import { TcpPorts } from './tcp-ports.ts'
import { Upstreams } from './upstreams.ts'

export interface EdgeOptions {
  edge: EdgeId
  listen: { host: string; port: number }
  /** Filled by a watcher, before and while the edge runs. */
  routes: Routes
  log: Logger
  metricsRegistry: Registry
}

export interface Edge extends AsyncDisposable {
  /** To be fed by a watcher: `set(node, address)`, `remove(node)`, `setSoftState(state)`. */
  nodes: Nodes
  port: number
  /** The program that keeps an app from having this port; undefined: none. */
  portTakenBy(port: number): Promise<string | undefined>
  metrics: Metrics
  /** Gives all holds back and ends all connections. */
  close(): Promise<void>
}

/** How often slow and resting clients are looked for. */
const sweepMs = 5_000

/** Listens for users' requests. It has no state that is worth keeping: routes and nodes are fed, holds are asked for. */
export async function createEdge({ edge, listen, routes, log, metricsRegistry }: EdgeOptions): Promise<Edge> {
  const metrics = new Metrics(metricsRegistry)
  const upstreams = new Upstreams()
  const holds = new Holds(edge, upstreams, log)
  const service: Service = { routes, holds, metrics }
  const clients = new Set<Client>()
  metrics.waiting = () => holds.waiting

  const tcpPorts = new TcpPorts(listen.host, service, log)

  const events = {
    request: (client: Client, head: Parameters<typeof serve>[1], body: Buffer) => serve(client, head, body, service),
    refused: (error: unknown) => {
      metrics.refusals.inc({ code: errorFields(error).code })
      if (!(error instanceof LittleError)) log.error({ err: error }, 'a request ran into a mistake of ours')
    },
    closed: (client: Client) => {
      clients.delete(client)
      metrics.clients = clients.size
    },
  }
  const server = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    clients.add(new Client(socket, events))
    metrics.clients = clients.size
  })
  await listening(server, listen)
  const sweep = setInterval(() => {
    const now = performance.now()
    for (const client of clients) client.lookAtClock(now)
  }, sweepMs)

  const close = async () => {
    clearInterval(sweep)
    const closed = once(server, 'close')
    server.close()
    for (const client of clients) client.socket.destroy()
    tcpPorts.close()
    upstreams.close()
    holds.close()
    await closed
  }
  const { port } = server.address() as AddressInfo
  const portTakenBy = (port: number) => tcpPorts.takenBy(port)
  return { nodes: holds.nodes, port, metrics, portTakenBy, close, [Symbol.asyncDispose]: close }
}

async function listening(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  server.listen({ host, port, backlog: 1024 })
  await once(server, 'listening')
}
