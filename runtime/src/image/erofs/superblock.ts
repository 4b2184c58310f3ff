// The on-disk format: https://github.com/torvalds/linux/blob/v6.1/fs/erofs/erofs_fs.h
import { blockBytes, blockShift, slotBytes } from './sizes.ts'

export const superblockAt = 1024
export const superblockBytes = 128

const compatChecksum = 0x1
const compatMtime = 0x2 // inodes carry their own times

/** Fills in the superblock of an image whose first block is `block`; to be called last, the checksum covers the whole block. */
export function writeSuperblock(
  block: Buffer,
  fields: { rootAt: number; inodes: number; blocks: number; uuid: Buffer },
) {
  const at = superblockAt
  block.fill(0, at, at + superblockBytes)
  block.writeUInt32LE(0xe0f5e1e2, at)
  block.writeUInt32LE(compatChecksum | compatMtime, at + 8)
  block.writeUInt8(blockShift, at + 12)
  block.writeUInt16LE(fields.rootAt / slotBytes, at + 14)
  block.writeBigUInt64LE(BigInt(fields.inodes), at + 16)
  block.writeUInt32LE(fields.blocks, at + 36)
  // meta_blkaddr (+40) stays 0: inode numbers count 32-byte slots from the start of the image.
  fields.uuid.copy(block, at + 48, 0, 16)
  block.writeUInt32LE(crc32c(block.subarray(at, blockBytes)), at + 4)
}

/** CRC-32C as the kernel has it: seeded with ones, not inverted at the end. Bitwise, as it runs over 3 KiB once. */
function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return crc >>> 0
}
