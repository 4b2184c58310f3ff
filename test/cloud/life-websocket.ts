import { once } from 'node:events'
import http from 'node:http'
import type { Socket } from 'node:net'

/** A WebSocket client for a test that has to name the host itself; text messages of less than 126 bytes. */
export interface TestWebSocket extends AsyncDisposable {
  send(text: string): void
  /** The next message. */
  received(): Promise<string>
  /** As the protocol wants it: our close, its close, the end of the connection. */
  close(): Promise<void>
}

const text = 0x81
const close = 0x88

export async function openWebSocket(port: number, host: string): Promise<TestWebSocket> {
  const headers = {
    host,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.from('a key of sixteen').toString('base64'),
  }
  const request = http.get({ host: '127.0.0.1', port, headers, agent: false })
  const [, socket, head] = (await once(request, 'upgrade')) as [http.IncomingMessage, Socket, Buffer]
  let bytes = head
  async function frame(): Promise<{ opcode: number | undefined; payload: Buffer }> {
    while (bytes.length < 2 || bytes.length < 2 + bytes[1]!) {
      const [more] = (await once(socket, 'data')) as [Buffer]
      bytes = Buffer.concat([bytes, more])
    }
    const end = 2 + bytes[1]!
    const [opcode, payload] = [bytes[0], bytes.subarray(2, end)]
    bytes = bytes.subarray(end)
    return { opcode, payload }
  }
  /** Masked, as a client has to, with a mask of zeros. */
  const send = (opcode: number, payload: Buffer) =>
    socket.write(Buffer.concat([Buffer.from([opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload]))
  return {
    send: (message) => send(text, Buffer.from(message)),
    async received() {
      const { opcode, payload } = await frame()
      if (opcode !== text) throw new Error(`a frame of kind ${opcode} came instead of a message`)
      return payload.toString()
    },
    async close() {
      send(close, Buffer.alloc(0))
      const { opcode } = await frame()
      if (opcode !== close) throw new Error(`a frame of kind ${opcode} came instead of a close`)
      socket.resume()
      socket.end()
      if (!socket.closed) await once(socket, 'close')
    },
    async [Symbol.asyncDispose]() {
      socket.destroy()
    },
  }
}
