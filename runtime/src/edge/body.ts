import { ChunkScanner } from './chunked.ts'

type Kind = 'none' | 'length' | 'chunked' | 'untilClose'

/** Finds where the body of a request or reply ends; the bytes themselves go by untouched. One serves many bodies. */
export class Body {
  #kind: Kind = 'none'
  #left = 0
  #chunks: ChunkScanner | undefined

  begin(kind: Kind, length = 0): void {
    this.#kind = kind === 'length' && length === 0 ? 'none' : kind
    this.#left = length
    if (kind === 'chunked') {
      this.#chunks ??= new ChunkScanner()
      this.#chunks.reset()
    }
  }

  /** Nothing more belongs to it. */
  get done(): boolean {
    return this.#kind === 'none'
  }

  get untilClose(): boolean {
    return this.#kind === 'untilClose'
  }

  /** How many of `bytes` from `at` on end its part of them: an index, or -1 if the chunks are malformed. */
  take(bytes: Uint8Array, at: number): number {
    switch (this.#kind) {
      case 'none':
        return at
      case 'untilClose':
        return bytes.length
      case 'length': {
        const taken = Math.min(this.#left, bytes.length - at)
        this.#left -= taken
        if (this.#left === 0) this.#kind = 'none'
        return at + taken
      }
      case 'chunked': {
        const chunks = this.#chunks as ChunkScanner
        const end = chunks.scan(bytes, at)
        if (chunks.done) this.#kind = 'none'
        return end
      }
    }
  }
}
