import { CorruptImage } from '../errors.ts'
import { aligned } from './sizes.ts'

export const xattrHeaderBytes = 12

/** Prefix on disk → its number; the two ACLs are whole names. */
const prefixes: [string, number][] = [
  ['system.posix_acl_access', 2],
  ['system.posix_acl_default', 3],
  ['user.', 1],
  ['trusted.', 4],
  ['security.', 6],
]

/** The bytes that follow an inode and hold its extended attributes; empty if there are none. */
export function encodeXattrs(xattrs: Map<string, string> | undefined): Buffer {
  const entries: Buffer[] = []
  for (const [name, value] of xattrs ?? []) {
    // The guest's overlay mount would take these as its own marks; an image has no use for them.
    if (name.startsWith('trusted.overlay.')) continue
    const prefix = prefixes.find(([text]) => (text.endsWith('.') ? name.startsWith(text) : name === text))
    if (prefix) entries.push(encodeEntry(name.slice(prefix[0].length), prefix[1], value)) // Linux could not show others
  }
  if (entries.length === 0) return Buffer.alloc(0)
  const all = Buffer.concat([Buffer.alloc(xattrHeaderBytes), ...entries])
  if (all.length > 0xffff) throw new CorruptImage('the extended attributes of one file are over 64 KiB')
  return all
}

function encodeEntry(name: string, prefix: number, value: string): Buffer {
  if (name.length > 255 || value.length > 0xffff) throw new CorruptImage(`the extended attribute ${name} is too long`)
  const entry = Buffer.alloc(aligned(4 + name.length + value.length, 4))
  entry.writeUInt8(name.length, 0)
  entry.writeUInt8(prefix, 1)
  entry.writeUInt16LE(value.length, 2)
  entry.write(name, 4, 'latin1')
  entry.write(value, 4 + name.length, 'latin1')
  return entry
}

/** How an inode states the size of its attributes: 0, or 1 + the 4-byte units after the header. */
export const xattrCount = (bytes: number) => (bytes === 0 ? 0 : 1 + (bytes - xattrHeaderBytes) / 4)
