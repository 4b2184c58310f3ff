import net from 'node:net'
import { LittleError } from '../../core/errors.ts'

export class PortTaken extends LittleError {
  readonly code = 'up.port_taken'
  readonly status = 409
  readonly hint: string
  constructor(what: string, port: number, variable: string) {
    super(`port ${port}, meant for ${what}, is taken by another program`)
    this.hint = `End that program (ss -ltnp 'sport = :${port}' names it), or choose another port: ${variable}=${port + 1000} little up`
  }
}

/** Throws PortTaken for the first port that somebody else listens on. */
export async function requirePorts({ edgePort, apiPort }: { edgePort: number; apiPort: number }) {
  if (!(await isFree(edgePort))) throw new PortTaken("the apps' addresses", edgePort, 'LITTLE_EDGE_PORT')
  if (!(await isFree(apiPort))) throw new PortTaken('the API', apiPort, 'LITTLE_API_PORT')
}

const isFree = (port: number) =>
  new Promise<boolean>((resolve) => {
    const server = net.createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)))
  })

/** A port on loopback that is free this moment. */
export const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = net.createServer().once('error', reject)
    server.listen({ port: 0, host: '127.0.0.1' }, () => {
      const { port } = server.address() as net.AddressInfo
      server.close(() => resolve(port))
    })
  })
