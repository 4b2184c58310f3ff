import { createConnection, type Socket } from 'node:net'
import type { Pool } from './upstreams.ts'

/** A guest that runs accepts in well under a ms; this only ends attempts at an address that swallows packets. */
const connectTimeoutMs = 5_000
/** What one read takes at most; pages that no read reached cost nothing. */
const readBytes = 64 * 1024

/** For those who use or copy what they get at once; many connections that say nothing then cost no memory each. */
const sharedBuffer = Buffer.allocUnsafeSlow(readBytes)

/** Who gets what a connection to an instance brings: the exchange that uses it. */
export interface UpstreamUser {
  /** It is open: now bytes can go. */
  upstreamReady(): void
  /** `bytes` lie in a buffer that is used again as soon as this returns, unless it is lent. */
  fromUpstream(bytes: Buffer): void
  upstreamDrained(): void
  /** Its FIN has come; nothing follows. */
  upstreamEnded(): void
  upstreamClosed(error: Error | undefined): void
  /** Its machine does not answer any more: what may be repeated is better asked elsewhere. */
  upstreamDoubted(): void
  /** Nothing has come of it for very long, nor anything else from its machine. */
  upstreamGivenUp(): void
}

/** One connection to an instance. At most one exchange or tunnel uses it at a time. */
export class Upstream {
  readonly socket: Socket
  readonly pool: Pool
  user: UpstreamUser | undefined
  /** performance.now() when it was last given back. */
  restsSince = 0
  #error: Error | undefined
  #buffer: Buffer
  #quiet = { bytesRead: -1, looks: 0 }

  /** `shared`: its user has no need to lend what it reads. */
  constructor(pool: Pool, shared: boolean) {
    this.pool = pool
    this.#buffer = shared ? sharedBuffer : Buffer.allocUnsafeSlow(readBytes)
    this.socket = createConnection({
      host: pool.address,
      port: pool.port,
      noDelay: true,
      allowHalfOpen: true,
      onread: {
        buffer: () => this.#buffer,
        callback: (length, bytes) => {
          if (this.user) this.user.fromUpstream((bytes as Buffer).subarray(0, length))
          else this.destroy() // bytes nobody asked for: the next reply could not be told from them
          return true
        },
      },
    })
    const timer = setTimeout(
      () => this.socket.destroy(new Error(`no answer from the app's port within ${connectTimeoutMs} ms`)),
      connectTimeoutMs,
    )
    this.socket.once('connect', () => {
      clearTimeout(timer)
      this.user?.upstreamReady()
    })
    this.socket.on('drain', () => this.user?.upstreamDrained())
    this.socket.on('error', (error) => {
      this.#error = error
    })
    this.socket.on('end', () => {
      if (this.user) this.user.upstreamEnded()
      else this.destroy()
    })
    this.socket.on('close', () => {
      clearTimeout(timer)
      this.pool.closed(this)
      const { user } = this
      this.user = undefined
      user?.upstreamClosed(this.#error)
    })
  }

  get connecting(): boolean {
    return this.socket.connecting
  }

  /** How many of these looks in a row have found no new byte. */
  quietLooks(): number {
    const { bytesRead } = this.socket
    this.#quiet = { bytesRead, looks: bytesRead === this.#quiet.bytesRead ? this.#quiet.looks + 1 : 0 }
    return this.#quiet.looks
  }

  /** Somebody goes on using what was read last: the next read goes elsewhere. */
  lend(): void {
    this.#buffer = Buffer.allocUnsafeSlow(readBytes)
  }

  /** From the next read on its user copies what it gets. */
  share(): void {
    this.#buffer = sharedBuffer
  }

  destroy(): void {
    this.pool.closed(this)
    this.socket.destroy()
  }
}
