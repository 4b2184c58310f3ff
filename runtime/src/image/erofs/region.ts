import { writeSync } from 'node:fs'

const bufferBytes = 1024 * 1024

/** A part of a file that is written from front to back, in large pieces. */
export class Region {
  /** Where the next byte goes. */
  at: number
  readonly #fd: number
  readonly #buffer = Buffer.alloc(bufferBytes)
  #used = 0

  constructor(fd: number, at: number) {
    this.#fd = fd
    this.at = at
  }

  write(bytes: Buffer): void {
    let done = 0
    while (done < bytes.length) {
      const count = bytes.copy(this.#buffer, this.#used, done)
      done += count
      this.#used += count
      this.at += count
      if (this.#used === bufferBytes) this.flush()
    }
  }

  /** Writes zeros up to an offset. */
  fillTo(at: number): void {
    while (this.at < at) this.write(zeros.subarray(0, Math.min(zeros.length, at - this.at)))
  }

  flush(): void {
    let done = 0
    const from = this.at - this.#used
    while (done < this.#used) done += writeSync(this.#fd, this.#buffer, done, this.#used - done, from + done)
    this.#used = 0
  }
}

const zeros = Buffer.alloc(4096)
