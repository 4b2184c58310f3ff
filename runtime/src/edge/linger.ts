import type { Socket } from 'node:net'

/** After our last byte: time for the client to read it before its own bytes cause a reset. */
const lingerMs = 2_000

/** Ends our side, and gives the client some time to end its own. */
export function linger(socket: Socket): void {
  socket.end()
  const timer = setTimeout(() => socket.destroy(), lingerMs)
  socket.once('close', () => clearTimeout(timer))
}
