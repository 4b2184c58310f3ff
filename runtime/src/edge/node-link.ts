import type { Duplex } from 'node:stream'
import type { EdgeId, NodeId } from '../core/ids.ts'
import type { Logger } from '../core/log.ts'
import { agentMessage } from '../fabric/agent-message.ts'
import {
  type AgentMessage,
  type EdgeMessage,
  type HeldByEdge,
  type HoldUsage,
  holdExpiryMs,
  holdRenewMs,
} from '../fabric/hold.ts'
import { dial, type NodeAddress } from './dial.ts'

/** Room for the way to the agent: a hold counts as ours for this much less than the agent's patience. */
const expiryMarginMs = 500
const firstRetryMs = 50
const lastRetryMs = 1_000
/** Two renewals and more without an answer: another machine is gone, or cut off. On one machine its socket would close. */
const farSilenceMs = 2_500
const connectTimeoutMs = 3_000
const maxLineBytes = 1024 * 1024

export interface LinkEvents {
  /** What to list in a hello. */
  held(link: NodeLink): HeldByEdge[]
  usage(link: NodeLink): HoldUsage[]
  connected(link: NodeLink): void
  disconnected(link: NodeLink): void
  message(link: NodeLink, message: AgentMessage): void
}

/** The way to one node's agent: reconnects for ever, says hello with all holds each time, renews them each second. */
export class NodeLink {
  readonly node: NodeId
  connected = false
  /** performance.now() until which the agent surely keeps our holds. */
  aliveUntil = 0
  #heardAt = 0
  #stream: Duplex | undefined
  #partial = ''
  #retryMs = firstRetryMs
  #retry: NodeJS.Timeout | undefined
  #closed = false
  readonly #renew: NodeJS.Timeout
  readonly #address: NodeAddress
  readonly #edge: EdgeId
  readonly #epoch: string
  readonly #events: LinkEvents
  readonly #log: Logger

  constructor(node: NodeId, address: NodeAddress, edge: EdgeId, epoch: string, events: LinkEvents, log: Logger) {
    this.node = node
    this.#address = address
    this.#edge = edge
    this.#epoch = epoch
    this.#events = events
    this.#log = log
    this.#renew = setInterval(this.#tick, holdRenewMs)
    this.#dial()
  }

  /** How long another machine has said nothing and cannot be reached; 0 while it can, and on this machine. */
  silentMs(now: number): number {
    return this.connected || !this.#address.tcp ? 0 : now - this.#heardAt
  }

  /** Says nothing before the hello, which says all there is to say. */
  send(message: EdgeMessage): void {
    if (this.connected) this.#write(message)
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#renew)
    clearTimeout(this.#retry)
    const stream = this.#stream
    stream?.end(() => stream.destroy())
    if (!this.connected) stream?.destroy()
  }

  #dial(): void {
    const { stream, readyEvent } = dial(this.#address)
    this.#stream = stream
    this.#partial = ''
    stream.setDefaultEncoding('utf8')
    // A machine that is dark answers no connect; the kernel's own patience with it is minutes.
    const late = setTimeout(() => stream.destroy(), connectTimeoutMs)
    stream.once(readyEvent, () => {
      clearTimeout(late)
      this.#hello()
    })
    stream.on('data', (bytes: Buffer) => this.#received(bytes.toString('utf8')))
    stream.on('error', (error) => this.#log.debug({ node: this.node, err: error }, 'the way to the agent failed'))
    stream.once('close', () => {
      clearTimeout(late)
      this.#lost()
    })
  }

  #write(message: EdgeMessage): void {
    this.#stream?.write(`${JSON.stringify(message)}\n`)
  }

  #hello(): void {
    // Expired holds are dropped for it, and those who wait ask at once for others: not here yet, the agent would not hear it.
    this.#write({ type: 'hello', edge: this.#edge, epoch: this.#epoch, holds: this.#events.held(this) })
    this.connected = true
    this.#retryMs = firstRetryMs
    this.#heardAt = performance.now()
    this.aliveUntil = this.#heardAt + holdExpiryMs - expiryMarginMs
    this.#events.connected(this)
  }

  #tick = (): void => {
    if (!this.connected) return
    const now = performance.now()
    // This process itself was stopped for long: the agent has taken our holds back. Begin anew and tell what is in use.
    if (now > this.aliveUntil + expiryMarginMs) return void this.#stream?.destroy()
    if (this.#address.tcp && now - this.#heardAt > farSilenceMs) {
      this.aliveUntil = now // its instances may be gone with it: who comes now is sent elsewhere
      this.#stream?.destroy()
      return
    }
    this.aliveUntil = now + holdExpiryMs - expiryMarginMs
    this.send({ type: 'renew', usage: this.#events.usage(this) })
  }

  #received(text: string): void {
    this.#heardAt = performance.now()
    const lines = (this.#partial + text).split('\n')
    this.#partial = lines.pop() as string
    try {
      for (const line of lines) {
        const message = agentMessage(JSON.parse(line))
        if (!message) throw new TypeError(`not a message of an agent: ${line.slice(0, 200)}`)
        this.#events.message(this, message)
      }
      if (this.#partial.length > maxLineBytes) throw new RangeError('a line without end')
    } catch (error) {
      this.#log.error({ node: this.node, err: error }, 'the agent said what the protocol does not know')
      this.#stream?.destroy()
    }
  }

  #lost(): void {
    if (this.connected) {
      this.connected = false
      this.#events.disconnected(this)
    }
    if (this.#closed) return
    this.#retry = setTimeout(() => this.#dial(), this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, lastRetryMs)
  }
}
