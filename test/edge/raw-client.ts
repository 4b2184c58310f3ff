import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'

/** A client that writes what it is told and keeps what it hears. */
export class RawClient {
  readonly socket: Socket
  text = ''
  ended = false
  #changed: (() => void)[] = []

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (bytes) => {
      this.text += bytes.toString('latin1')
      this.#tell()
    })
    socket.on('error', () => {})
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.ended = true
        this.#tell()
      })
    }
  }

  static async to(port: number): Promise<RawClient> {
    const socket = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    await once(socket, 'connect')
    return new RawClient(socket)
  }

  send(text: string): this {
    this.socket.write(text, 'latin1')
    return this
  }

  async until(done: (client: RawClient) => boolean): Promise<string> {
    while (!done(this)) {
      if (this.ended) throw new Error(`the connection ended early, after: ${this.text}`)
      await new Promise<void>((resolve) => this.#changed.push(resolve))
    }
    return this.text
  }

  /** All that comes until the other side ends. */
  async all(): Promise<string> {
    while (!this.ended) await new Promise<void>((resolve) => this.#changed.push(resolve))
    this.socket.destroy()
    return this.text
  }

  #tell(): void {
    const changed = this.#changed
    this.#changed = []
    for (const resolve of changed) resolve()
  }
}

export const get = (path = '/', more = '') => `GET ${path} HTTP/1.1\r\nHost: hello.localhost\r\n${more}\r\n`

/** Sends one request on a connection of its own, and gives all of the reply. */
export async function ask(port: number, text: string): Promise<string> {
  const client = await RawClient.to(port)
  return client.send(text).all()
}
