import { once } from 'node:events'
import { createServer as createHttp, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { Registry } from 'prom-client'
import { appName, edgeId, type NodeId, teamId } from '../../runtime/src/core/ids.ts'
import { createLog } from '../../runtime/src/core/log.ts'
import { createEdge, type Edge } from '../../runtime/src/edge/edge.ts'
import { Routes } from '../../runtime/src/edge/routes.ts'
import { Release } from '../../runtime/src/model/release.ts'
import { type Answer, StubAgent } from './stub-agent.ts'

export interface EdgeTest {
  edge: Edge
  agent: StubAgent
  registry: Registry
  routes: Routes
}

export const release = (fields: Partial<Release> = {}): Release => ({
  ...Release.parse({
    team: 't',
    app: 'hello',
    number: 1,
    createdAt: 0,
    createdBy: 'a test',
    image: { reference: 'hello', digest: `sha256:${'0'.repeat(64)}`, rootBytes: 0 },
    config: {},
    sealedEnv: '',
    memoryMib: 64,
    cpus: 1,
    concurrency: { soft: 20, hard: 100 },
    idleMs: 1_000,
    maxInstances: 20,
    spares: 0,
    wakeDeadlineMs: 5_000,
    startDeadlineMs: 5_000,
  }),
  ...fields,
})

export function setRoute(routes: Routes, nodes: NodeId[], fields: Partial<Release> = {}): void {
  const app = {
    team: teamId('t'),
    name: appName('hello'),
    release: 1,
    newest: 1,
    hostname: 'hello.localhost',
    createdAt: 0,
    stopped: false,
  }
  routes.set(app, { release: release(fields), nodes }, undefined)
}

/** An edge with one node and the app hello.localhost; all of it ends with the test. */
export async function startEdge(t: TestContext, answer: Answer, fields: Partial<Release> = {}): Promise<EdgeTest> {
  const agent = await new StubAgent(answer).started()
  const registry = new Registry()
  const routes = new Routes()
  setRoute(routes, [agent.node], fields)
  const log = createLog('edge')
  log.level = 'fatal'
  const edge = await createEdge({
    edge: edgeId('e-1'),
    listen: { host: '127.0.0.1', port: 0 },
    routes,
    log,
    metricsRegistry: registry,
  })
  t.after(async () => {
    await edge.close()
    await agent.close()
  })
  edge.nodes.set(agent.node, { unix: agent.path })
  await agent.hears('hello')
  return { edge, agent, registry, routes }
}

/** A real node:http app. */
export async function httpApp(t: TestContext, listener: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createHttp(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, port: (server.address() as AddressInfo).port }
}

/** An app that is written byte by byte. */
export async function rawApp(
  t: TestContext,
  onConnection: (socket: Socket) => void,
): Promise<{ server: NetServer; port: number }> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onConnection(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { server, port: (server.address() as AddressInfo).port }
}

/** Grants the one instance that listens at `port`. */
export const grants =
  (port: () => number): Answer =>
  (asked, agent) =>
    agent.grant(asked, { port: port() })
