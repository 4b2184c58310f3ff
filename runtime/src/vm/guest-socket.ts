import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { GuestUnreachable } from './guest-errors.ts'

const retryMs = 5

/**
 * Connects to a chardev's Unix socket. QEMU makes it a moment after its start, and serves one client at a time: the
 * next one waits in the listen queue until the last has gone.
 */
export async function connectPort(
  path: string,
  deadlineAtMs: number,
  onBytes: (bytes: Buffer) => void,
): Promise<Socket> {
  const buffer = Buffer.allocUnsafeSlow(32 * 1024)
  const callback = (count: number) => {
    onBytes(buffer.subarray(0, count))
    return true
  }
  for (;;) {
    const socket = connect({ path, onread: { buffer, callback } })
    try {
      await once(socket, 'connect')
      return socket
    } catch (error) {
      socket.destroy()
      if (performance.now() > deadlineAtMs) throw new GuestUnreachable(`no connection to ${path}`, { cause: error })
    }
    await delay(retryMs)
  }
}

/**
 * Holds back what is written, until it is disposed. QEMU hands a message to a guest that stands still as well: between the
 * saving of its devices and of its memory it would be in the one and not in the other.
 */
export function hush(ports: Socket[]): Disposable {
  for (const port of ports) port.cork()
  return {
    [Symbol.dispose]: () => {
      for (const port of ports) port.uncork()
    },
  }
}
