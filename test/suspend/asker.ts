import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** A client of the keeper, on one connection. */
export class Asker {
  readonly #socket: Socket
  readonly #lines: AsyncIterator<string>

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  }

  static async connect(address: string): Promise<Asker> {
    const socket = connect({ host: address, port: 8080, noDelay: true })
    await once(socket, 'connect', { signal: AbortSignal.timeout(30_000) })
    return new Asker(socket)
  }

  /** A question and its answer. */
  async ask(line: string, deadlineMs = 60_000): Promise<string> {
    this.#socket.write(`${line}\n`)
    const timer = setTimeout(() => this.#socket.destroy(new Error(`no answer to ${line}`)), deadlineMs)
    const { value, done } = await this.#lines.next()
    clearTimeout(timer)
    if (done) throw new Error(`no answer to ${line}`)
    return value
  }

  close() {
    this.#socket.destroy()
  }
}
