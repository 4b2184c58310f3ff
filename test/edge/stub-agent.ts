import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { holdId, instanceId, nodeId } from '../../runtime/src/core/ids.ts'
import type { AgentMessage, EdgeMessage, Grant } from '../../runtime/src/fabric/hold.ts'

export type Acquire = Extract<EdgeMessage, { type: 'acquire' }>
/** What is to be said to an acquire; undefined: nothing yet. */
export type Answer = (asked: Acquire, agent: StubAgent) => AgentMessage | undefined

/** Speaks the host agent's side of the holds protocol on a real Unix socket; what it grants is up to the test. */
export class StubAgent {
  readonly node
  readonly path: string
  readonly heard: EdgeMessage[] = []
  answer: Answer
  #server: Server
  #sockets = new Set<Socket>()
  #folder: string
  #waiting: { matches: (message: EdgeMessage) => boolean; found: (message: EdgeMessage) => void }[] = []
  #holds = 0

  constructor(answer: Answer, node = 'n-stub') {
    this.answer = answer
    this.node = nodeId(node)
    this.#folder = mkdtempSync(join(tmpdir(), 'stub-agent-'))
    this.path = join(this.#folder, 'holds.sock')
    this.#server = this.#listen()
  }

  async started(): Promise<this> {
    if (!this.#server.listening) await once(this.#server, 'listening')
    return this
  }

  say(message: AgentMessage): void {
    for (const socket of this.#sockets) socket.write(`${JSON.stringify(message)}\n`)
  }

  grant(asked: Acquire, more: Partial<Grant> & { port: number }): Grant {
    return {
      type: 'granted',
      id: asked.id,
      hold: holdId(`h-${++this.#holds}`),
      instance: instanceId('i-1'),
      incarnation: 1,
      address: '127.0.0.1',
      soft: 20,
      hard: 100,
      from: 'parked',
      timing: { totalMs: 1.5, resumeMs: 0.5, clockMs: 0.25 },
      keepConnections: true,
      ...more,
    }
  }

  /** The first message of this type that matches, heard already or yet to come. */
  async hears<T extends EdgeMessage['type']>(
    type: T,
    matches: (message: Extract<EdgeMessage, { type: T }>) => boolean = () => true,
  ) {
    const wanted = (message: EdgeMessage): boolean =>
      message.type === type && matches(message as Extract<EdgeMessage, { type: T }>)
    const known = this.heard.find(wanted)
    const message = known ?? (await new Promise<EdgeMessage>((found) => this.#waiting.push({ matches: wanted, found })))
    return message as Extract<EdgeMessage, { type: T }>
  }

  count(type: EdgeMessage['type']): number {
    return this.heard.filter((message) => message.type === type).length
  }

  /** As if the agent was killed: all connections end and nothing listens. */
  async die(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  async comeBack(): Promise<void> {
    this.#server = this.#listen()
    await this.started()
  }

  async close(): Promise<void> {
    await this.die()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #listen(): Server {
    return createServer((socket) => {
      this.#sockets.add(socket)
      let partial = ''
      let greeted = false
      socket.on('data', (bytes) => {
        const lines = (partial + bytes).split('\n')
        partial = lines.pop() as string
        for (const message of lines.map((line) => JSON.parse(line) as EdgeMessage)) {
          greeted ||= message.type === 'hello'
          if (greeted) this.#hear(socket, message)
          else socket.destroy()
        }
      })
      socket.on('error', () => {})
      socket.on('close', () => this.#sockets.delete(socket))
    }).listen(this.path)
  }

  #hear(socket: Socket, message: EdgeMessage): void {
    this.heard.push(message)
    if (message.type === 'hello') socket.write(`${JSON.stringify({ type: 'welcome', node: this.node, epoch: 'e1' })}\n`)
    if (message.type === 'acquire') {
      const answer = this.answer(message, this)
      if (answer) socket.write(`${JSON.stringify(answer)}\n`)
    }
    this.#waiting = this.#waiting.filter(({ matches, found }) => {
      if (!matches(message)) return true
      found(message)
      return false
    })
  }
}
