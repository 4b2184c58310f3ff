import type { Socket } from 'node:net'
import type { FrameReader } from './guest-frames.ts'

/** A running guest echoes a hello within some ms. */
const repeatMs = 250

interface Port {
  socket: Socket
  reader: FrameReader
  hello: Buffer
}

/**
 * Our hello on both ports. A guest that was stopped while its old host went and we came may read it before its driver
 * tells it that the old one left, take that for our leaving, and be silent for ever: so it is said again to a guest that
 * runs and does not echo it.
 */
export class GuestGreeting {
  readonly #ports: Port[]
  #timer: NodeJS.Timeout | undefined

  constructor(ports: Port[]) {
    this.#ports = ports
    this.#say()
  }

  /** The guest runs. `said` is called whenever the hello was repeated: what was asked before it is lost. */
  insist(said: () => void): void {
    if (this.#timer || this.#understood) return
    this.#timer = setInterval(() => {
      if (this.#understood) return this.close()
      this.#say()
      said()
    }, repeatMs)
    this.#timer.unref()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  get #understood(): boolean {
    return this.#ports.every(({ reader }) => reader.synchronized)
  }

  #say(): void {
    for (const { socket, reader, hello } of this.#ports) if (!reader.synchronized) socket.write(hello)
  }
}
