/** A line that is longer comes as several parts, each but the last marked as one that goes on. */
export const maxLineBytes = 16 * 1024

export interface LinePart {
  text: string
  continues: boolean
}

/** Bytes to lines, whatever the chunks; a character is never cut in two, and bytes that are not UTF-8 become U+FFFD. */
export class LineSplitter {
  #rest = Buffer.alloc(0)

  push(chunk: Uint8Array): LinePart[] {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : Buffer.from(chunk)
    const parts: LinePart[] = []
    let start = 0
    for (;;) {
      const end = bytes.indexOf(10, start)
      const stop = end < 0 ? bytes.length : end
      while (stop - start > maxLineBytes) {
        const cut = characterStart(bytes, start + maxLineBytes)
        parts.push({ text: bytes.toString('utf8', start, cut), continues: true })
        start = cut
      }
      if (end < 0) break
      const lineEnd = bytes[end - 1] === 13 && end > start ? end - 1 : end
      parts.push({ text: bytes.toString('utf8', start, lineEnd), continues: false })
      start = end + 1
    }
    this.#rest = Buffer.from(bytes.subarray(start)) // a copy, so that a large chunk is not kept for its tail
    return parts
  }

  /** The unfinished last line, if any. */
  end(): LinePart[] {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    return rest.length > 0 ? [{ text: rest.toString(), continues: false }] : []
  }
}

/** The beginning of the character that the byte at this place belongs to; bytes that are no UTF-8 are cut where they are. */
function characterStart(bytes: Buffer, at: number): number {
  for (let back = 0; back < 4; back++) if (((bytes[at - back] ?? 0) & 0xc0) !== 0x80) return at - back
  return at
}
