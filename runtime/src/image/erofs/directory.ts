import { blockBytes } from './sizes.ts'

const entryBytes = 12

export interface Name {
  /** Byte string (latin1). */
  name: string
  inode: number
  fileType: number
}

/** Names of a folder by block, as many as fit. Sorted by bytes over the whole folder: the kernel searches by halving. */
export function splitNames(names: string[]): { blocks: string[][]; size: number } {
  const blocks: string[][] = []
  let used = blockBytes
  for (const name of ['.', '..', ...names].sort()) {
    const bytes = entryBytes + name.length
    if (used + bytes > blockBytes) {
      blocks.push([])
      used = 0
    }
    blocks.at(-1)!.push(name)
    used += bytes
  }
  return { blocks, size: (blocks.length - 1) * blockBytes + used }
}

/** One block of a folder: the fixed entries first, then their names; it may be shorter than a block if it is the last. */
export function encodeNames(names: Name[]): Buffer {
  const length = names.reduce((sum, { name }) => sum + entryBytes + name.length, 0)
  const block = Buffer.alloc(length)
  let nameAt = names.length * entryBytes
  for (const [index, { name, inode, fileType }] of names.entries()) {
    const at = index * entryBytes
    block.writeBigUInt64LE(BigInt(inode), at)
    block.writeUInt16LE(nameAt, at + 8)
    block.writeUInt8(fileType, at + 10)
    block.write(name, nameAt, 'latin1')
    nameAt += name.length
  }
  return block
}
