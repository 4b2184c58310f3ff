import { isTokenByte } from './tokens.ts'

/** What is not data in a chunked body, per size line and for all trailers: nobody sends that much in earnest. */
const maxSizeLineBytes = 1024
const maxTrailerBytes = 16 * 1024

type Expects =
  | 'size' // hex digits of a chunk's size
  | 'extension' // after a ';', up to CR
  | 'sizeLf'
  | 'data'
  | 'dataCr'
  | 'dataLf'
  | 'trailer' // the start of a trailer line, or the CR of the last, empty one
  | 'name'
  | 'value'
  | 'valueLf'
  | 'lastLf'
  | 'end'

/**
 * Finds the end of a chunked body, strictly (RFC 9112, 7.1): CRLF only, hex digits only, no whitespace around sizes.
 * It changes nothing and keeps no bytes. One scanner serves one body after the other.
 */
export class ChunkScanner {
  #expects: Expects = 'size'
  #left = 0
  #digits = 0
  #lineBytes = 0

  get done(): boolean {
    return this.#expects === 'end'
  }

  reset(): void {
    this.#expects = 'size'
    this.#left = 0
    this.#digits = 0
    this.#lineBytes = 0
  }

  /** Reads on at `at`; gives the index after the body's last byte, `bytes.length` if it goes on, or -1 if it is malformed. */
  scan(bytes: Uint8Array, at: number): number {
    const length = bytes.length
    while (at < length) {
      if (this.#expects === 'data') {
        const taken = Math.min(this.#left, length - at)
        this.#left -= taken
        at += taken
        if (this.#left === 0) this.#expects = 'dataCr'
        continue
      }
      const next = this.#step(bytes[at] as number)
      if (next === undefined) return -1
      this.#expects = next
      at++
      if (next === 'end') return at
    }
    return length
  }

  /** One byte that is not data; undefined: it may not come here. */
  #step(byte: number): Expects | undefined {
    switch (this.#expects) {
      case 'size':
        return this.#size(byte)
      case 'extension':
        if (byte === 13) return 'sizeLf'
        return isText(byte) && ++this.#lineBytes <= maxSizeLineBytes ? 'extension' : undefined
      case 'sizeLf':
        if (byte !== 10) return undefined
        this.#digits = 0
        this.#lineBytes = 0
        return this.#left === 0 ? 'trailer' : 'data'
      case 'dataCr':
        return byte === 13 ? 'dataLf' : undefined
      case 'dataLf':
        return byte === 10 ? 'size' : undefined
      case 'trailer':
        if (byte === 13) return 'lastLf'
        return this.#trailerByte() && isTokenByte[byte] === 1 ? 'name' : undefined
      case 'name':
        if (byte === 58 /* : */) return 'value'
        return this.#trailerByte() && isTokenByte[byte] === 1 ? 'name' : undefined
      case 'value':
        if (byte === 13) return 'valueLf'
        return this.#trailerByte() && isText(byte) ? 'value' : undefined
      case 'valueLf':
        return byte === 10 ? 'trailer' : undefined
      case 'lastLf':
        return byte === 10 ? 'end' : undefined
      default:
        return undefined
    }
  }

  #size(byte: number): Expects | undefined {
    const digit = hexDigit(byte)
    if (digit >= 0) {
      if (++this.#digits > 12) return undefined // 2^48 bytes: stays exact, and is more than anybody sends
      this.#left = this.#left * 16 + digit
      return 'size'
    }
    if (this.#digits === 0) return undefined
    if (byte === 13) return 'sizeLf'
    return byte === 59 /* ; */ ? 'extension' : undefined
  }

  #trailerByte(): boolean {
    return ++this.#lineBytes <= maxTrailerBytes
  }
}

const isText = (byte: number) => (byte >= 32 && byte !== 127) || byte === 9

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  const letter = byte | 32
  return letter >= 97 && letter <= 102 ? letter - 87 : -1
}
