import { chmodSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import net from 'node:net'
import type { Duplex } from 'node:stream'
import { edgeMessage } from '../fabric/edge-message.ts'
import type { AgentMessage } from '../fabric/hold.ts'
import { createPskServer } from '../fabric/identity.ts'
import { readMessages, writeMessage } from '../fabric/lines.ts'
import type { Holds } from './holds.ts'

export interface HoldServerOptions {
  unix: string
  tcp?: { host: string; port: number; clusterKey: Buffer } | undefined
}

/** Listens for edges: on a Unix socket that only root opens, and for other machines over TLS with the cloud's key. */
export async function serveHolds(holds: Holds, options: HoldServerOptions): Promise<AsyncDisposable> {
  const streams = new Set<Duplex>()
  const accept = (stream: Duplex) => {
    streams.add(stream)
    const send = (message: AgentMessage) => writeMessage(stream, message)
    const link = holds.connected(send, () => stream.destroy())
    readMessages(stream, (raw) => {
      const message = edgeMessage(raw)
      if (message) link.take(message)
      else stream.destroy() // not an edge of this version
    })
    stream.on('error', () => {})
    stream.on('close', () => {
      streams.delete(stream)
      link.lost()
    })
  }
  await rm(options.unix, { force: true })
  const local = net.createServer(accept)
  const servers: net.Server[] = [local]
  await listen(local, { path: options.unix })
  chmodSync(options.unix, 0o600)
  if (options.tcp) {
    const remote = createPskServer(options.tcp.clusterKey, (socket) => accept(socket.setNoDelay(true)))
    servers.push(remote)
    await listen(remote, { host: options.tcp.host, port: options.tcp.port })
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const server of servers) server.close()
      for (const stream of streams) stream.destroy()
    },
  }
}

const listen = (server: net.Server, where: net.ListenOptions) =>
  new Promise<void>((resolve, reject) => server.once('error', reject).listen(where, resolve))
