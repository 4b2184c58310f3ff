import type { Socket } from 'node:net'
import type { FrameReader } from './guest-frames.ts'

/** A running guest echoes a hello within some ms, and its driver has told it by then who came and went. */
const repeatMs = 250

interface Port {
  socket: Socket
  reader: FrameReader
  hello: Buffer
}

/**
 * Our hello on both ports, said more than once. The guest's driver may tell it that the old host has left only after it
 * has read the new one's hello, and echoed it: it then takes that for our leaving, and is silent for ever. The same
 * hello again changes nothing for a guest that knows us.
 */
export class GuestGreeting {
  readonly #ports: Port[]
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(ports: Port[]) {
    this.#ports = ports
    this.#say()
  }

  /**
   * The guest runs. Says the hello again at least once, and until the guest has answered all that it was asked: `said`
   * is called each time, asks again what has no answer, and says whether there was nothing.
   */
  insist(said: () => boolean): void {
    if (this.#timer || this.#isOver) return
    this.#timer = setInterval(() => {
      this.#say()
      if (said() && this.#ports.every(({ reader }) => reader.synchronized)) this.close()
    }, repeatMs)
    this.#timer.unref()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#isOver = true
  }

  #say(): void {
    for (const { socket, hello } of this.#ports) socket.write(hello)
  }
}
