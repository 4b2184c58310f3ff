import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'

interface Connection {
  socket: Socket
  received: Buffer[]
  waiting: { resolve: (answer: string) => void; reject: (error: Error) => void }[]
}

/** A client of redis with a pool, as libraries have it: commands go to the connections in turn, errors are not repaired. */
export class RedisPool implements AsyncDisposable {
  readonly #connections: Connection[] = []
  #next = 0

  static async open(port: number, size: number): Promise<RedisPool> {
    const pool = new RedisPool()
    for (let index = 0; index < size; index++) pool.#connections.push(await connect(port))
    return pool
  }

  command(...words: string[]): Promise<string> {
    return send(this.#connections[this.#next++ % this.#connections.length] as Connection, words)
  }

  /** The same on every connection. */
  each(...words: string[]): Promise<string[]> {
    return Promise.all(this.#connections.map((connection) => send(connection, words)))
  }

  pause(): void {
    for (const { socket } of this.#connections) socket.pause()
  }

  resume(): void {
    for (const { socket } of this.#connections) socket.resume()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.#connections) socket.destroy()
  }
}

async function connect(port: number): Promise<Connection> {
  const socket = createConnection({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const connection: Connection = { socket, received: [], waiting: [] }
  socket.on('data', (bytes: Buffer) => {
    connection.received.push(bytes)
    if (bytes.includes('\r\n')) take(connection)
  })
  const fail = (error?: Error) => {
    for (const { reject } of connection.waiting.splice(0)) reject(error ?? new Error('redis closed the connection'))
  }
  socket.on('error', fail).on('close', () => fail())
  return connection
}

function send({ socket, waiting }: Connection, words: string[]): Promise<string> {
  socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`)
  return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
}

/** Integers, simple and bulk strings; anything else is an error. */
function take(connection: Connection): void {
  for (;;) {
    const all = Buffer.concat(connection.received)
    connection.received = [all]
    const end = all.indexOf('\r\n')
    if (end < 0) return
    const [kind, line] = [all.toString('latin1', 0, 1), all.toString('latin1', 1, end)]
    const whole = kind === '$' ? end + 2 + Number(line) + 2 : end + 2
    if (all.length < whole) return
    connection.received = [all.subarray(whole)]
    const waiter = connection.waiting.shift()
    if (kind === '$') waiter?.resolve(all.toString('latin1', end + 2, whole - 2))
    else if (kind === ':' || kind === '+') waiter?.resolve(line)
    else waiter?.reject(new Error(`redis answered ${kind}${line}`))
  }
}
