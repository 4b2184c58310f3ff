import type { Entry, Folder } from '../tree.ts'
import { splitNames } from './directory.ts'
import { inodeBytes, type PlannedInode } from './inode.ts'
import { aligned, blockBytes, blocksOf, slotBytes } from './sizes.ts'
import { superblockAt, superblockBytes } from './superblock.ts'
import { encodeXattrs, xattrHeaderBytes } from './xattr.ts'

export interface Plan {
  /** In the order of their places in the image; the root's folder is the first. */
  inodes: PlannedInode[]
  byEntry: Map<Entry, PlannedInode>
  parents: Map<Folder, Folder>
  /** Everything before it is inodes with their inline ends, everything from it on is whole blocks of content. */
  dataAt: number
  blocks: number
}

/** A file's end up to this size goes behind its inode: a longer one would waste more between inodes than in a block. */
const inlineFileBytes = 2048

/** Gives every inode and every block of content its place: the image can then be written in one go. */
export function planImage(root: Folder): Plan {
  const inodes: PlannedInode[] = []
  const byEntry = new Map<Entry, PlannedInode>()
  const parents = new Map<Folder, Folder>([[root, root]])
  let at = superblockAt + superblockBytes
  const ahead: Entry[] = [root]
  while (ahead.length > 0) {
    const entry = ahead.pop()!
    const known = byEntry.get(entry)
    if (known) {
      known.links++ // a hard link: one inode, several names
      continue
    }
    const inode = { ...content(entry), entry, at: 0, firstBlock: undefined, links: 1, serial: inodes.length + 1 }
    inode.at = placeOf(inode, at)
    at = inode.at + behind(inode)
    inodes.push(inode)
    byEntry.set(entry, inode)
    if (entry.kind === 'folder') inode.links = 2 + planChildren(entry, parents, ahead)
  }
  // fsck.erofs 1.5 reads a header of attributes behind every inode, even the last one that has none.
  const dataAt = aligned(at + xattrHeaderBytes, blockBytes)
  const blocks = placeContent(inodes, dataAt / blockBytes)
  return { inodes, byEntry, parents, dataAt, blocks }
}

/** Puts a folder's entries on the stack, the first one on top; returns how many are folders. */
function planChildren(folder: Folder, parents: Map<Folder, Folder>, ahead: Entry[]): number {
  let folders = 0
  for (const name of [...folder.entries.keys()].sort().reverse()) {
    const entry = folder.entries.get(name)!
    ahead.push(entry)
    if (entry.kind !== 'folder') continue
    folders++
    parents.set(entry, folder)
  }
  return folders
}

function content(entry: Entry): { size: number; inline: boolean; xattrs: Buffer } {
  const size = sizeOf(entry)
  const xattrs = encodeXattrs(entry.xattrs)
  const end = size % blockBytes
  const fits = inodeBytes + xattrs.length + end <= blockBytes
  const inline = end > 0 && fits && (entry.kind !== 'file' || end <= inlineFileBytes)
  return { size, inline, xattrs }
}

function sizeOf(entry: Entry): number {
  if (entry.kind === 'file') return entry.size
  if (entry.kind === 'symlink') return entry.target.length
  return entry.kind === 'folder' ? splitNames([...entry.entries.keys()]).size : 0
}

/** Bytes that an inode takes among the inodes: itself, its attributes, the inline end of its content. */
const behind = ({ xattrs, size, inline }: Pick<PlannedInode, 'xattrs' | 'size' | 'inline'>) =>
  inodeBytes + xattrs.length + (inline ? size % blockBytes : 0)

/** The next place where an inode does not cross a block: the kernel wants that of inline ends. */
function placeOf(inode: Pick<PlannedInode, 'xattrs' | 'size' | 'inline'>, after: number): number {
  const at = aligned(after, slotBytes)
  return (at % blockBytes) + behind(inode) > blockBytes ? aligned(at, blockBytes) : at
}

function placeContent(inodes: PlannedInode[], firstBlock: number): number {
  let block = firstBlock
  for (const inode of inodes) {
    const whole = inode.inline ? Math.floor(inode.size / blockBytes) : blocksOf(inode.size)
    if (whole > 0) inode.firstBlock = block
    block += whole
  }
  return block
}
