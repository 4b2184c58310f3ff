import { readSync } from 'node:fs'
import { CorruptImage } from './errors.ts'
import { blockBytes, parseHeader, type RawHeader } from './tar-header.ts'
import { parsePax, parsePaxTime, xattrsOf } from './tar-pax.ts'

export interface TarEntry {
  name: string
  link: string
  /** '0' file · '1' hard link · '2' symlink · '3' character device · '4' block device · '5' folder · '6' fifo */
  type: string
  size: number
  /** Where the file's bytes begin in the tar. */
  dataAt: number
  mode: number
  uid: number
  gid: number
  mtimeNs: bigint
  major: number
  minor: number
  xattrs: Map<string, string> | undefined
}

/** Longest PAX or GNU long-name block that is read into memory; Go's reader has the same limit. */
const extensionBytes = 1024 * 1024
/** As many digits as PAX times may have here; far within 64 bits. */
const maxTimeSeconds = 1e15

/** Entries of an uncompressed tar of `length` bytes, in order, with the offsets of their bytes. */
export function* readTar(fd: number, length: number): Generator<TarEntry> {
  const block = Buffer.alloc(blockBytes)
  const globals = new Map<string, string>()
  let pax = new Map<string, string>()
  let longName: string | undefined
  let longLink: string | undefined
  let at = 0
  while (at + blockBytes <= length) {
    readFully(fd, block, at)
    const header = parseHeader(block)
    if (!header) return
    const dataAt = at + blockBytes
    if ('xgLK'.includes(header.type)) {
      const body = readExtension(fd, header, dataAt, length)
      if (header.type === 'x') pax = parsePax(body)
      else if (header.type === 'g') for (const [key, value] of parsePax(body)) globals.set(key, value)
      else if (header.type === 'L') longName = cString(body)
      else longLink = cString(body)
      at = dataAt + padded(header.size)
      continue
    }
    const entry = toEntry(header, new Map([...globals, ...pax]), dataAt)
    if (longName !== undefined && !pax.has('path')) entry.name = longName
    if (longLink !== undefined && !pax.has('linkpath')) entry.link = longLink
    if (entry.type === '0' && entry.name.endsWith('/')) entry.type = '5' // as v7 tars write folders
    if (entry.dataAt + entry.size > length) throw truncated()
    at = dataAt + padded(entry.size)
    pax = new Map()
    longName = longLink = undefined
    yield entry
  }
  if (at < length && at + blockBytes > length) throw truncated()
}

function toEntry(header: RawHeader, pax: Map<string, string>, dataAt: number): TarEntry {
  const type = header.type === '7' ? '0' : header.type
  const keys = [...pax.keys()]
  if (type === 'S' || keys.some((key) => key.startsWith('GNU.sparse'))) {
    throw new CorruptImage('a layer holds sparse files in GNU form, which is not supported')
  }
  const id = (key: 'uid' | 'gid') => wholeNumber(pax.get(key), header[key], 0xffff_ffff)
  if (Math.abs(header.mtimeSeconds) > maxTimeSeconds)
    throw new CorruptImage('a layer is not a valid tar: a time is no time')
  return {
    name: pax.get('path') ?? header.name,
    link: pax.get('linkpath') ?? header.link,
    type,
    size: '123456'.includes(type) ? 0 : wholeNumber(pax.get('size'), header.size), // only files have bytes
    dataAt,
    mode: header.mode,
    uid: id('uid'),
    gid: id('gid'),
    mtimeNs: pax.has('mtime') ? parsePaxTime(pax.get('mtime')!) : BigInt(header.mtimeSeconds) * 1_000_000_000n,
    major: header.major,
    minor: header.minor,
    xattrs: xattrsOf(pax),
  }
}

function wholeNumber(text: string | undefined, otherwise: number, max = Number.MAX_SAFE_INTEGER): number {
  const value = text === undefined ? otherwise : Number(text)
  if (!Number.isSafeInteger(value) || value < 0 || value > max)
    throw new CorruptImage(`a layer is not a valid tar: ${value} is no size or id`)
  return value
}

function readExtension(fd: number, header: RawHeader, dataAt: number, length: number): Buffer {
  if (header.size > extensionBytes)
    throw new CorruptImage('a layer is not a valid tar: a name or attribute is over 1 MiB')
  if (header.size < 0 || dataAt + header.size > length) throw truncated()
  const body = Buffer.alloc(header.size)
  readFully(fd, body, dataAt)
  return body
}

/** Fills the buffer from the file; throws where the file ends early. */
export function readFully(fd: number, into: Buffer, at: number): void {
  let done = 0
  while (done < into.length) {
    const count = readSync(fd, into, done, into.length - done, at + done)
    if (count === 0) throw truncated()
    done += count
  }
}

const truncated = () => new CorruptImage('a layer ends in the middle of a file')
const padded = (size: number) => Math.ceil(size / blockBytes) * blockBytes
const cString = (body: Buffer) => {
  const end = body.indexOf(0)
  return body.toString('latin1', 0, end < 0 ? body.length : end)
}
