import type { Entry } from '../tree.ts'
import { xattrCount } from './xattr.ts'

export const inodeBytes = 64
const noBlock = 0xffffffff

/** Type bits of a mode, and the type in a folder's entry. */
const types = {
  file: { mode: 0o100000, fileType: 1 },
  folder: { mode: 0o040000, fileType: 2 },
  character: { mode: 0o020000, fileType: 3 },
  block: { mode: 0o060000, fileType: 4 },
  fifo: { mode: 0o010000, fileType: 5 },
  symlink: { mode: 0o120000, fileType: 7 },
} satisfies Record<Entry['kind'], { mode: number; fileType: number }>

export const fileTypeOf = (entry: Entry) => types[entry.kind].fileType

/** Where the plan put one inode and its bytes. */
export interface PlannedInode {
  entry: Entry
  /** Byte offset in the image; a multiple of 32. */
  at: number
  xattrs: Buffer
  size: number
  /** The end of the content lies right behind the inode instead of in a block of its own. */
  inline: boolean
  firstBlock: number | undefined
  links: number
  serial: number
}

/** The 64-byte form of an inode: 32-bit ids, 64-bit size, times in ns. */
export function encodeInode({ entry, xattrs, size, inline, firstBlock, links, serial }: PlannedInode): Buffer {
  const inode = Buffer.alloc(inodeBytes)
  const layout = inline ? 2 : 0
  inode.writeUInt16LE(1 | (layout << 1), 0)
  inode.writeUInt16LE(xattrCount(xattrs.length), 2)
  inode.writeUInt16LE(types[entry.kind].mode | entry.mode, 4)
  inode.writeBigUInt64LE(BigInt(size), 8)
  inode.writeUInt32LE('major' in entry ? deviceNumber(entry) : (firstBlock ?? noBlock), 16)
  inode.writeUInt32LE(serial, 20)
  inode.writeUInt32LE(entry.uid, 24)
  inode.writeUInt32LE(entry.gid, 28)
  const nanoseconds = ((entry.mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  inode.writeBigInt64LE((entry.mtimeNs - nanoseconds) / 1_000_000_000n, 32)
  inode.writeUInt32LE(Number(nanoseconds), 40)
  inode.writeUInt32LE(links, 44)
  return inode
}

/** As the kernel's new_encode_dev: 12 bits of major in the middle of 20 bits of minor. */
const deviceNumber = ({ major, minor }: { major: number; minor: number }) =>
  ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0
