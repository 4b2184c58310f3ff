import { createConnection } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'

/** Where a node's host agent speaks the holds protocol; the Unix socket is preferred. */
export interface NodeAddress {
  unix?: string | undefined
  tcp?: { host: string; port: number; pskIdentity: string; psk: Buffer } | undefined
}

/** Opens a way to an agent; the caller listens for 'connect' (or 'secureConnect'), 'error' and 'close'. */
export interface Dialed {
  stream: Duplex
  readyEvent: 'connect' | 'secureConnect'
}

export function dial(address: NodeAddress): Dialed {
  if (address.unix !== undefined) return { stream: createConnection(address.unix), readyEvent: 'connect' }
  if (!address.tcp) throw new TypeError('a node needs a Unix socket or a TCP address')
  const { host, port, pskIdentity, psk } = address.tcp
  const stream = connectTls({
    host,
    port,
    // The shared key proves both sides; there are no certificates.
    ciphers: 'PSK',
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ identity: pskIdentity, psk }),
  })
  stream.setNoDelay(true)
  return { stream, readyEvent: 'secureConnect' }
}
