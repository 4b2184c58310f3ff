import { readSync, writeSync } from 'node:fs'
import type { LayerTar } from '../merge.ts'
import { readFully } from '../tar-read.ts'
import type { File, Folder } from '../tree.ts'
import { encodeNames, splitNames } from './directory.ts'
import { encodeInode, fileTypeOf, type PlannedInode } from './inode.ts'
import { type Plan, planImage } from './plan.ts'
import { Region } from './region.ts'
import { blockBytes, slotBytes } from './sizes.ts'
import { writeSuperblock } from './superblock.ts'

/** A file is copied in pieces of this size. */
const copyBytes = 1024 * 1024

/** Writes a tree as an uncompressed erofs image, the same bytes for the same tree; returns its size. */
export function writeErofs(fd: number, root: Folder, layers: LayerTar[], uuid: Buffer): number {
  const plan = planImage(root)
  const inodes = new Region(fd, 0)
  const data = new Region(fd, plan.dataAt)
  for (const inode of plan.inodes) {
    inodes.fillTo(inode.at)
    inodes.write(encodeInode(inode))
    inodes.write(inode.xattrs)
    for (const piece of contentOf(inode, plan, layers)) {
      if (inode.inline && piece.isEnd) inodes.write(piece.bytes)
      else data.write(piece.bytes)
    }
    data.fillTo(Math.ceil(data.at / blockBytes) * blockBytes)
  }
  inodes.fillTo(plan.dataAt)
  inodes.flush()
  data.flush()
  finish(fd, plan, uuid)
  return plan.blocks * blockBytes
}

interface Piece {
  bytes: Buffer
  /** The last, incomplete block. */
  isEnd: boolean
}

function* contentOf(inode: PlannedInode, plan: Plan, layers: LayerTar[]): Generator<Piece> {
  const { entry } = inode
  if (entry.kind === 'file') yield* fileContent(entry, layers)
  else if (entry.kind === 'symlink') yield { bytes: Buffer.from(entry.target, 'latin1'), isEnd: true }
  else if (entry.kind === 'folder') yield* folderContent(entry, plan)
}

function* fileContent(file: File, layers: LayerTar[]): Generator<Piece> {
  const { fd } = layers[file.layer]!
  const end = file.size % blockBytes
  const whole = file.size - end
  for (let done = 0; done < whole; done += copyBytes)
    yield read(fd, file.dataAt + done, Math.min(copyBytes, whole - done), false)
  if (end > 0) yield read(fd, file.dataAt + whole, end, true)
}

const copied = Buffer.alloc(copyBytes)

function read(fd: number, at: number, length: number, isEnd: boolean): Piece {
  const bytes = copied.subarray(0, length)
  readFully(fd, bytes, at)
  return { bytes, isEnd }
}

function* folderContent(folder: Folder, { byEntry, parents }: Plan): Generator<Piece> {
  const { blocks } = splitNames([...folder.entries.keys()])
  const at = (name: string) => {
    const entry = name === '.' ? folder : name === '..' ? parents.get(folder)! : folder.entries.get(name)!
    return { name, inode: byEntry.get(entry)!.at / slotBytes, fileType: fileTypeOf(entry) }
  }
  for (const [index, names] of blocks.entries()) {
    const bytes = encodeNames(names.map(at))
    const isEnd = index === blocks.length - 1 && bytes.length < blockBytes
    yield { bytes: isEnd ? bytes : Buffer.concat([bytes], blockBytes), isEnd }
  }
}

function finish(fd: number, plan: Plan, uuid: Buffer) {
  const first = Buffer.alloc(blockBytes)
  readSync(fd, first, 0, blockBytes, 0)
  writeSuperblock(first, { rootAt: plan.inodes[0]!.at, inodes: plan.inodes.length, blocks: plan.blocks, uuid })
  writeSync(fd, first, 0, blockBytes, 0)
}
