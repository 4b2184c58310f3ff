import { freeDiskMib } from '../../core/free-disk.ts'

/** So little may be too little for the next write of whoever needs more than a block. */
const fullMib = 16
const roomMib = 64
const lookEveryMs = 1_000

/**
 * nats-server 2.15 refuses all further writes to a stream of which one found the disk full, also when there is room
 * again, until it is started anew. So it is, once there is room after the disk was full; that loses nothing.
 */
export class FullDisk implements Disposable {
  readonly #freeMib: () => Promise<number>
  readonly #onRoom: () => void
  readonly #timer: NodeJS.Timeout
  #wasFull = false

  constructor(dir: string, onRoom: () => void, freeMib = () => freeDiskMib(dir)) {
    this.#onRoom = onRoom
    this.#freeMib = freeMib
    this.#timer = setInterval(() => void this.#look(), lookEveryMs)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  async #look(): Promise<void> {
    const freeMib = await this.#freeMib().catch(() => undefined)
    if (freeMib === undefined) return
    if (freeMib < fullMib) this.#wasFull = true
    else if (this.#wasFull && freeMib >= roomMib) {
      this.#wasFull = false
      this.#onRoom()
    }
  }
}
