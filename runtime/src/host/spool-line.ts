import { crc32 } from 'node:zlib'

/** One record a line: `crc32 in 8 hex digits · space · JSON`. After damage the reader is whole again at the next line. */
export function encodeLine(value: unknown): string {
  const text = JSON.stringify(value)
  return `${crc32(text).toString(16).padStart(8, '0')} ${text}\n`
}

export interface Line<T> {
  /** undefined: damaged. */
  value: T | undefined
  /** Offset behind its line end. */
  end: number
}

/** The finished lines; what comes after the last line end is an unfinished write. */
export function* linesOf<T>(content: Buffer): Generator<Line<T>> {
  let start = 0
  for (let end = content.indexOf(10); end >= 0; end = content.indexOf(10, start)) {
    yield { value: decodeLine<T>(content.subarray(start, end)), end: end + 1 }
    start = end + 1
  }
}

function decodeLine<T>(line: Buffer): T | undefined {
  const text = line.subarray(9)
  if (line[8] !== 32 || crc32(text) !== Number.parseInt(line.toString('latin1', 0, 8), 16)) return undefined
  return JSON.parse(text.toString()) as T
}
