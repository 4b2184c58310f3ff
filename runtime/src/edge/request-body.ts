import { Body } from './body.ts'
import type { RequestHead } from './head.ts'
import type { Upstream } from './upstream.ts'

/** What of a body is read ahead while its request waits; then the client is asked to wait. */
const maxUnsentBytes = 64 * 1024
/** Up to here a copy as a string is cheaper to write than a Buffer. */
const maxStringBytes = 2 * 1024

/** A request's body on its way from the client to the instance: kept until the instance is there, then passed on. */
export class RequestBody {
  #unsent: Buffer[] | undefined
  #unsentBytes = 0
  readonly #body = new Body()

  constructor(head: RequestHead) {
    if (head.chunked) this.#body.begin('chunked')
    else if (head.contentLength > 0) this.#body.begin('length', head.contentLength)
  }

  /** All of it has come from the client. */
  get done(): boolean {
    return this.#body.done
  }

  /** How many of `bytes` belong to it; -1: it is malformed. */
  take(bytes: Buffer): number {
    return this.#body.take(bytes, 0)
  }

  /** False: the client is to wait. */
  keep(bytes: Buffer): boolean {
    this.#unsent ??= []
    this.#unsent.push(Buffer.from(bytes))
    this.#unsentBytes += bytes.length
    return this.#unsentBytes <= maxUnsentBytes
  }

  /** Sends the head, and what of the body has been kept, in one go. False: the client is to wait. */
  sendAfter(head: string, { socket }: Upstream): boolean {
    if (!this.#unsent) {
      socket.write(head, 'latin1')
      return true
    }
    socket.cork()
    socket.write(head, 'latin1')
    for (const bytes of this.#unsent) socket.write(bytes)
    socket.uncork()
    this.#unsent = undefined
    return !socket.writableNeedDrain
  }

  /** False: the client is to wait. */
  send(bytes: Buffer, { socket }: Upstream): boolean {
    if (bytes.length > maxStringBytes) return socket.write(Buffer.from(bytes))
    return socket.write(bytes.toString('latin1', 0, bytes.length), 'latin1')
  }
}
