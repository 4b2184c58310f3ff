import { writeSync } from 'node:fs'
import net from 'node:net'

/** `cont`, as the human monitor abbreviates it. */
const cont = Buffer.from('c\n')

/**
 * The same QEMU's human monitor, for the wake path alone: QEMU reads its monitors byte by byte, a trip through its main
 * loop each, and QMP's go through another thread besides. Two bytes here do what takes eighteen there.
 */
export class Hmp {
  readonly #socket: net.Socket

  private constructor(socket: net.Socket) {
    this.#socket = socket
    socket.on('error', () => {}) // QMP's connection tells that QEMU is gone
    socket.resume() // its echo and its prompts are of no use
  }

  static async connect(path: string): Promise<Hmp> {
    const socket = net.connect(path)
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return new Hmp(socket)
  }

  /**
   * Lets a stopped VM go on; QMP's RESUME tells when it does. Nothing orders this after a command that went over QMP: the
   * caller has seen STOP.
   */
  cont(): void {
    const { _handle: handle } = this.#socket as unknown as { _handle: { fd: number } | null }
    try {
      if (handle) writeSync(handle.fd, cont) // at once: a stream's write costs 30 µs more when it was not used for long
    } catch {
      this.#socket.write(cont) // full, which two bytes a wake never make it; or QEMU is gone, which its end tells
    }
  }

  close(): void {
    this.#socket.destroy()
  }
}
