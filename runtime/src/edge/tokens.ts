/** 1 for each byte that may stand in a method or a header's name: RFC 9110, 5.6.2. */
export const isTokenByte = new Uint8Array(256)
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  isTokenByte[char.charCodeAt(0)] = 1
}

export function isToken(text: string, from: number, to: number): boolean {
  if (from >= to) return false
  for (let i = from; i < to; i++) if (isTokenByte[text.charCodeAt(i)] !== 1) return false
  return true
}

/** Control characters, DEL, and any CR or LF that is not part of a CRLF: never legal in a head. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
export const illegalInHead = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r[^\n]|[^\r]\n/

/** The trimmed value of the header line `text[from..to)`. */
export const fieldValue = (text: string, from: number, to: number) => text.slice(from, to).trim()

const digits = /^[0-9]{1,15}$/ // 15 digits stay below 2^53

/** A Content-Length's value, or -1 if it is none. */
export const parseLength = (value: string) => (digits.test(value) ? Number(value) : -1)

/** `text` without the ranges of `drop`: from, to, from, to, … in any order; a range may be listed twice. */
export function without(text: string, drop: number[]): string {
  if (drop.length === 2) return text.slice(0, drop[0]) + text.slice(drop[1])
  const ranges: [number, number][] = []
  for (let i = 0; i < drop.length; i += 2) ranges.push([drop[i] as number, drop[i + 1] as number])
  ranges.sort((a, b) => a[0] - b[0])
  let kept = ''
  let at = 0
  for (const [from, to] of ranges) {
    if (from > at) kept += text.slice(at, from)
    at = to
  }
  return kept + text.slice(at)
}
