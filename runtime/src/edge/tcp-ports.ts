import { createServer, type Server } from 'node:net'
import type { Logger } from '../core/log.ts'
import { whoListens } from '../core/who-listens.ts'
import type { Service } from './serve.ts'
import { type OpenConnections, TcpClient } from './tcp-client.ts'

/** How often a port that another program has is tried again. */
const retryMs = 1_000

/** Listens on the ports that TCP apps have: on all of them, and on no others, whenever the routes change. */
export class TcpPorts {
  readonly #servers = new Map<number, Server>()
  readonly #open: OpenConnections = { sockets: new Set(), tunnels: new Set() }
  readonly #host: string
  readonly #service: Service
  readonly #log: Logger
  #retry: NodeJS.Timeout | undefined
  #closed = false

  constructor(host: string, service: Service, log: Logger) {
    this.#host = host
    this.#service = service
    this.#log = log
    service.routes.changed = () => this.#look()
    this.#look()
  }

  /** Who has the port, if we could not listen on it; undefined: nobody, or we for an app of ours. */
  async takenBy(port: number): Promise<string | undefined> {
    if (this.#servers.has(port)) return undefined
    const probe = createServer()
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false))
      probe.listen({ port, host: this.#host }, () => probe.close(() => resolve(true)))
    })
    return free ? undefined : whoListens(port)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#retry)
    for (const server of this.#servers.values()) server.close()
    for (const socket of this.#open.sockets) socket.destroy()
  }

  #look(): void {
    if (this.#closed) return
    const { routes } = this.#service
    for (const [port, server] of this.#servers) {
      if (routes.byPort(port)) continue
      this.#servers.delete(port)
      server.close() // connections that are open go on until their instance ends
    }
    for (const tunnel of this.#open.tunnels) if (routes.overtaken(tunnel.route)) tunnel.leave()
    for (const port of routes.ports) if (!this.#servers.has(port)) this.#listen(port)
  }

  #listen(port: number): void {
    const server = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      const route = this.#service.routes.byPort(port)
      if (route) new TcpClient(socket, port, route, this.#service, this.#open)
      else socket.resetAndDestroy()
    })
    this.#servers.set(port, server)
    server.on('error', (error) => {
      if (this.#servers.get(port) === server) this.#servers.delete(port)
      this.#log.error({ port, err: error }, "an app's port cannot be listened on; it is tried again")
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined
        this.#look()
      }, retryMs)
    })
    server.listen({ port, host: this.#host, backlog: 1024 })
  }
}
