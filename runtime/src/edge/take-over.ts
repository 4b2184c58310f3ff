import { Socket, type SocketConstructorOpts } from 'node:net'

/** One buffer for what all clients send: whoever gets a part of it uses or copies it before returning. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024)

/**
 * Gives an accepted, paused connection a socket that reads into one buffer for all. net's server offers that to
 * outgoing connections only; without it each read costs a buffer of 64 KiB that is cut down to what came, and the
 * detour through a stream (2 of 20 µs of a request). Should Node's inner workings change, plain events do the same.
 */
export function takeOver(accepted: Socket, receive: (bytes: Buffer) => void): Socket {
  const inner = accepted as unknown as { _handle: object | null }
  if (!inner._handle) {
    accepted.on('data', receive)
    return accepted
  }
  const onread = {
    buffer: readBuffer,
    callback: (length: number) => {
      receive(readBuffer.subarray(0, length))
      return true
    },
  }
  const socket = new Socket({ handle: inner._handle, allowHalfOpen: true, onread } as SocketConstructorOpts)
  inner._handle = null
  socket.once('close', () => accepted.destroy()) // so that the server counts it out
  return socket
}
