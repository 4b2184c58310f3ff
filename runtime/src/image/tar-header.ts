import { CorruptImage } from './errors.ts'

/** Names and link targets are byte strings (latin1): an image may hold names that are not UTF-8. */
export interface RawHeader {
  name: string
  link: string
  type: string
  size: number
  mode: number
  uid: number
  gid: number
  mtimeSeconds: number
  major: number
  minor: number
}

export const blockBytes = 512

/** Parses one 512-byte header block (v7, ustar, GNU); undefined for the zero block that ends an archive. */
export function parseHeader(block: Buffer): RawHeader | undefined {
  if (block[0] === 0 && block.every((byte) => byte === 0)) return undefined
  checkSum(block)
  const magic = block.toString('latin1', 257, 263)
  const prefix = magic === 'ustar\0' ? text(block, 345, 155) : '' // GNU's `ustar ` keeps other things there
  const name = text(block, 0, 100)
  const isUstar = magic.startsWith('ustar')
  return {
    name: prefix ? `${prefix}/${name}` : name,
    link: text(block, 157, 100),
    type: String.fromCharCode(block[156] || 0x30),
    size: number(block, 124, 12),
    mode: number(block, 100, 8) & 0o7777,
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    mtimeSeconds: number(block, 136, 12),
    major: isUstar ? number(block, 329, 8) : 0,
    minor: isUstar ? number(block, 337, 8) : 0,
  }
}

function text(block: Buffer, offset: number, length: number): string {
  const end = block.indexOf(0, offset)
  return block.toString('latin1', offset, end < 0 || end > offset + length ? offset + length : end)
}

/** Octal digits, or GNU's base-256 where the first bit is set: big ids and sizes, times before 1970. */
function number(block: Buffer, offset: number, length: number): number {
  const first = block[offset]!
  if (first & 0x80) {
    let value = first & 0x40 ? -1n : 0n
    value = (value << 6n) | BigInt(first & 0x3f)
    for (let i = 1; i < length; i++) value = (value << 8n) | BigInt(block[offset + i]!)
    return Number(value)
  }
  const digits = text(block, offset, length).trim()
  if (digits === '') return 0
  if (!/^[0-7]+$/.test(digits)) throw new CorruptImage(`a layer is not a valid tar: '${digits}' is not a number`)
  return Number.parseInt(digits, 8)
}

function checkSum(block: Buffer) {
  let unsigned = 0
  let signed = 0 // some old writers summed signed bytes
  for (let i = 0; i < blockBytes; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : block[i]!
    unsigned += byte
    signed += byte > 127 ? byte - 256 : byte
  }
  const stated = number(block, 148, 8)
  if (stated !== unsigned && stated !== signed)
    throw new CorruptImage('a layer is not a valid tar: a header has a wrong checksum')
}
