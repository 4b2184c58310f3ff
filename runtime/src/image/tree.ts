import { CorruptImage } from './errors.ts'

interface Meta {
  mode: number
  uid: number
  gid: number
  mtimeNs: bigint
  xattrs: Map<string, string> | undefined
}

export interface Folder extends Meta {
  kind: 'folder'
  entries: Map<string, Entry>
}

export interface File extends Meta {
  kind: 'file'
  /** Which layer's tar holds the bytes, and where. */
  layer: number
  dataAt: number
  size: number
}

export interface Symlink extends Meta {
  kind: 'symlink'
  target: string
}

export interface Special extends Meta {
  kind: 'character' | 'block' | 'fifo'
  major: number
  minor: number
}

/** What the merged image holds. Two names of one hard-linked file are the same object. Names are byte strings (latin1). */
export type Entry = Folder | File | Symlink | Special

export const newFolder = (): Folder => ({
  kind: 'folder',
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtimeNs: 0n,
  xattrs: undefined,
  entries: new Map(),
})

/** Linux' limit, and erofs'. */
export const maxNameBytes = 255
/** As many as Linux follows in one path. */
const maxSymlinks = 40

/**
 * The folder at a path, symlinks followed inside the image: nothing leads out of `root`, `..` at the root stays there.
 * Missing folders are made when `create` says so, as Docker makes them (0755, root's); otherwise undefined.
 */
export function findFolder(root: Folder, path: string[], create: boolean): Folder | undefined {
  const stack = [root]
  const ahead = [...path].reverse()
  let followed = 0
  while (ahead.length > 0) {
    const name = ahead.pop()!
    if (name === '' || name === '.') continue
    if (name === '..') {
      if (stack.length > 1) stack.pop()
      continue
    }
    const folder = stack.at(-1)!
    let next = folder.entries.get(name)
    if (next?.kind === 'symlink') {
      if (++followed > maxSymlinks) throw new CorruptImage(`too many symlinks on the way to ${show(path)}`)
      if (next.target.startsWith('/')) stack.length = 1
      ahead.push(...next.target.split('/').reverse())
      continue
    }
    if (!next && create) {
      if (name.length > maxNameBytes) throw new CorruptImage(`a symlink leads through a name of ${name.length} bytes`)
      next = newFolder()
      folder.entries.set(name, next)
    }
    if (!next || (next.kind !== 'folder' && !create)) return undefined
    if (next.kind !== 'folder') throw new CorruptImage(`${show(path)} lies below ${name}, which is not a folder`)
    stack.push(next)
  }
  return stack.at(-1)!
}

const show = (path: string[]) => JSON.stringify(Buffer.from(path.join('/'), 'latin1').toString())
