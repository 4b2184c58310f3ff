import { isTokenByte } from './tokens.ts'

/** What is not data in a chunked body, per size line and for all trailers: nobody sends that much in earnest. */
const maxSizeLineBytes = 1024
const maxTrailerBytes = 16 * 1024

/** What may come next. Numbers, because the hot path compares them for each byte that is not data. */
const size = 0 // hex digits of a chunk's size
const extension = 1 // after a ';', up to CR
const sizeLf = 2
const data = 3
const dataCr = 4
const dataLf = 5
const trailer = 6 // the start of a trailer line, or the CR of the last, empty one
const name = 7
const value = 8
const valueLf = 9
const lastLf = 10
const end = 11
const malformed = 12

/** A hex digit's worth by its byte; 255: none. */
const digitOf = new Uint8Array(256).fill(255)
for (let digit = 0; digit < 16; digit++) {
  const text = digit.toString(16)
  digitOf[text.charCodeAt(0)] = digit
  digitOf[text.toUpperCase().charCodeAt(0)] = digit
}

/**
 * Finds the end of a chunked body, strictly (RFC 9112, 7.1): CRLF only, hex digits only, no whitespace around sizes.
 * It changes nothing and keeps no bytes. One scanner serves one body after the other.
 */
export class ChunkScanner {
  #expects = size
  /** Bytes of data left in the chunk, or the size read so far. */
  #left = 0
  #digits = 0
  #lineBytes = 0

  get done(): boolean {
    return this.#expects === end
  }

  reset(): void {
    this.#expects = size
    this.#left = 0
    this.#digits = 0
    this.#lineBytes = 0
  }

  /** Reads on at `at`; gives the index after the body's last byte, `bytes.length` if it goes on, or -1 if it is malformed. */
  scan(bytes: Uint8Array, at: number): number {
    const { length } = bytes
    let expects = this.#expects
    while (at < length && expects < end) {
      if (expects === data) {
        const taken = Math.min(this.#left, length - at)
        this.#left -= taken
        at += taken
        if (this.#left === 0) expects = dataCr
      } else expects = this.#step(expects, bytes[at++] as number)
    }
    this.#expects = expects
    return expects === malformed ? -1 : at
  }

  /** What may come after one byte that is not data. */
  #step(expects: number, byte: number): number {
    switch (expects) {
      case size:
        return this.#size(byte)
      case sizeLf:
        if (byte !== 10) return malformed
        this.#digits = 0
        this.#lineBytes = 0
        return this.#left === 0 ? trailer : data
      case dataCr:
        return byte === 13 ? dataLf : malformed
      case dataLf:
        return byte === 10 ? size : malformed
      case extension:
        if (byte === 13) return sizeLf
        return isText(byte) && ++this.#lineBytes <= maxSizeLineBytes ? extension : malformed
      case trailer:
        if (byte === 13) return lastLf
        return isTokenByte[byte] === 1 && ++this.#lineBytes <= maxTrailerBytes ? name : malformed
      case name:
        if (byte === 58 /* : */) return value
        return isTokenByte[byte] === 1 && ++this.#lineBytes <= maxTrailerBytes ? name : malformed
      case value:
        if (byte === 13) return valueLf
        return isText(byte) && ++this.#lineBytes <= maxTrailerBytes ? value : malformed
      case valueLf:
        return byte === 10 ? trailer : malformed
      case lastLf:
        return byte === 10 ? end : malformed
      default:
        return malformed
    }
  }

  #size(byte: number): number {
    const digit = digitOf[byte] as number
    if (digit < 16) {
      this.#left = this.#left * 16 + digit
      return ++this.#digits <= 12 ? size : malformed // 2^48 bytes: stays exact, and is more than anybody sends
    }
    if (this.#digits === 0) return malformed
    if (byte === 13) return sizeLf
    return byte === 59 /* ; */ ? extension : malformed
  }
}

const isText = (byte: number) => (byte >= 32 && byte !== 127) || byte === 9
