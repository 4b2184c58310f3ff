import { Body } from './body.ts'
import type { Client } from './client.ts'
import { BadReply } from './errors.ts'
import type { RequestHead } from './head.ts'
import type { Hold } from './hold.ts'
import { maxReplyHeadBytes, type ReplyHead, readReplyHead } from './reply-head.ts'
import type { Upstream } from './upstream.ts'

/** The exchange that a reply belongs to. */
export interface ReplyOwner {
  readonly head: RequestHead
  readonly client: Client
  readonly hold: Hold | undefined
  readonly upstream: Upstream | undefined
  /** The reply's head is there; gives the header lines to add to it. */
  replyBegun(): string
  replyDone(): void
  /** 101 has been passed on: from here on bytes go both ways. */
  switched(): void
  fail(error: unknown): void
}

/** Up to here a copy as a string is cheaper to write than a Buffer: Node writes it from its stack. */
const maxStringBytes = 2 * 1024

const headEnd = Buffer.from('\r\n\r\n')

/** One reply on its way from the instance to the client: its head is read, its body only followed to its end. */
export class Reply {
  /** The connection to the instance can carry another exchange. */
  upstreamKeeps = false
  /** So can the client's. */
  clientKeeps: boolean
  /** A head that is not whole yet. */
  partial: Buffer | undefined
  #inBody = false
  readonly #body = new Body()
  readonly #owner: ReplyOwner

  constructor(owner: ReplyOwner) {
    this.#owner = owner
    this.clientKeeps = owner.head.keepAlive
  }

  /** It ends where the connection ends. */
  get untilClose(): boolean {
    return this.#inBody && this.#body.untilClose
  }

  /** `bytes` may lie in the upstream's read buffer. */
  received(bytes: Buffer): void {
    if (this.#inBody) this.#passBody(bytes, 0, undefined)
    else this.#readHead(bytes)
  }

  #readHead(bytes: Buffer): void {
    if (this.partial) bytes = Buffer.concat([this.partial, bytes])
    this.partial = undefined
    const end = bytes.indexOf(headEnd) + 4
    if (end < 4) {
      if (bytes.length <= maxReplyHeadBytes) this.partial = Buffer.from(bytes)
      else this.#owner.fail(new BadReply(`the app answered with a head of more than ${maxReplyHeadBytes} bytes`))
      return
    }
    const text = bytes.toString('latin1', 0, end)
    const head = this.#parse(text)
    if (!head) return
    if (head.status < 200) this.#informational(head.status, bytes, end)
    else this.#begin(head, text, bytes, end)
  }

  #parse(text: string): ReplyHead | undefined {
    const { http10, upgrade } = this.#owner.head
    try {
      const head = readReplyHead(text)
      if (head.status === 101 && !upgrade) throw new BadReply('the app switched protocols without being asked to')
      if (head.chunked && http10) throw new BadReply('the app answered in chunks to an HTTP/1.0 request')
      return head
    } catch (error) {
      this.#owner.fail(error)
      return undefined
    }
  }

  /** 1xx: a word in between, or the switch to another protocol. `end` is where its head ends. */
  #informational(status: number, bytes: Buffer, end: number): void {
    if (status === 101) {
      this.toClient(bytes)
      this.#owner.switched()
      return
    }
    if (!this.#owner.head.http10) this.toClient(bytes.subarray(0, end))
    if (end < bytes.length) this.#readHead(bytes.subarray(end))
  }

  #begin(head: ReplyHead, text: string, bytes: Buffer, end: number): void {
    this.#findEnd(head)
    this.#inBody = true
    const added = this.#connectionHeader() + this.#owner.replyBegun()
    if (head.rewritten === undefined && added === '') this.#passBody(bytes, end, undefined)
    else this.#passBody(bytes, end, `${head.rewritten ?? text.slice(0, -2)}${added}\r\n`)
  }

  /** How its body ends, and whether both connections can be used again after it: RFC 9112, 6.3. */
  #findEnd({ status, chunked, contentLength, keepAlive }: ReplyHead): void {
    const { method } = this.#owner.head
    this.upstreamKeeps = keepAlive
    if (method === 'HEAD' || status === 204 || status === 304) this.#body.begin('none')
    else if (chunked) this.#body.begin('chunked')
    else if (contentLength >= 0) this.#body.begin('length', contentLength)
    else {
      this.#body.begin('untilClose')
      this.upstreamKeeps = false
      this.clientKeeps = false
    }
  }

  #connectionHeader(): string {
    if (!this.clientKeeps) return 'Connection: close\r\n'
    return this.#owner.head.http10 ? 'Connection: keep-alive\r\n' : ''
  }

  /** `bytes` from `from` on are body; `head` goes before them, or undefined: what lies before `from` as it is. */
  #passBody(bytes: Buffer, from: number, head: string | undefined): void {
    const end = this.#body.take(bytes, from)
    if (end < 0) {
      this.#owner.fail(new BadReply('the app answered in malformed chunks'))
      return
    }
    if (head === undefined) this.toClient(end === bytes.length ? bytes : bytes.subarray(0, end))
    else this.#withHead(head, bytes, from, end)
    if (end < bytes.length) this.upstreamKeeps = false // it says more than it was asked
    if (this.#body.done) this.#owner.replyDone()
  }

  #withHead(head: string, bytes: Buffer, from: number, end: number): void {
    const { socket } = this.#owner.client
    socket.cork()
    this.#sent(socket.write(head, 'latin1'), head.length)
    if (end > from) this.toClient(bytes.subarray(from, end))
    socket.uncork()
  }

  toClient(bytes: Buffer): void {
    const { socket } = this.#owner.client
    const { length } = bytes
    if (length <= maxStringBytes) {
      this.#sent(socket.write(bytes.toString('latin1', 0, length), 'latin1'), length)
      return
    }
    const flowing = socket.write(bytes)
    if (socket.writableLength > 0) this.#owner.upstream?.lend() // not all could be written at once
    this.#sent(flowing, length)
  }

  #sent(flowing: boolean, length: number): void {
    const { hold, upstream, client } = this.#owner
    if (hold) hold.egressBytes += length
    if (!flowing) upstream?.socket.pause()
    if (client.ended) client.replying()
  }
}
