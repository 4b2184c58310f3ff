import { createHmac } from 'node:crypto'
import tls from 'node:tls'

/**
 * Edges and nodes of one cloud on different machines know each other by the cloud's key: TLS with a pre-shared key for
 * each edge, derived from it. Nothing else is spoken on these ports, and no certificate can expire.
 */
export const pskOptions = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2', // Node's pre-shared keys are those of TLS 1.2; an ephemeral exchange keeps old traffic secret
  maxVersion: 'TLSv1.2',
} as const

export const holdsKey = (clusterKey: Buffer, edge: string): Buffer =>
  createHmac('sha256', clusterKey).update(`holds:${edge}`).digest()

/** Accepts only who holds the cloud's key. */
export function createPskServer(clusterKey: Buffer, onConnection: (socket: tls.TLSSocket) => void): tls.Server {
  return tls.createServer(
    { ...pskOptions, pskCallback: (_socket, identity) => holdsKey(clusterKey, identity) },
    onConnection,
  )
}
