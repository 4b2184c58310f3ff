import { CorruptImage, ImageTooBig } from './errors.ts'
import { readTar, type TarEntry } from './tar-read.ts'
import { type Entry, type Folder, findFolder, maxNameBytes, newFolder } from './tree.ts'
import { whiteoutOf } from './whiteout.ts'

export interface LayerTar {
  fd: number
  length: number
}

/** The one tree that the layers make together, as Docker would unpack them over one another; file bytes stay in the tars. */
export function mergeLayers(layers: LayerTar[], limits: { maxFiles: number }): Folder {
  const root = newFolder()
  let count = 0
  for (const [index, layer] of layers.entries()) {
    // Whiteouts act on the layers below only, wherever they stand in their own layer: so they go first.
    for (const entry of readTar(layer.fd, layer.length)) takeAway(root, entry)
    for (const entry of readTar(layer.fd, layer.length)) {
      if (++count > limits.maxFiles) throw new ImageTooBig(`the image holds more than ${limits.maxFiles} files`)
      add(root, entry, index)
    }
  }
  return root
}

function takeAway(root: Folder, entry: TarEntry) {
  if (!entry.name.includes('.wh.')) return
  const path = partsOf(entry.name)
  const whiteout = whiteoutOf(path)
  if (!whiteout || whiteout.kind === 'ignored') return
  const folder = findFolder(root, path.slice(0, -1), false)
  if (whiteout.kind === 'opaque') folder?.entries.clear()
  else folder?.entries.delete(whiteout.name)
}

function add(root: Folder, entry: TarEntry, layer: number) {
  const path = partsOf(entry.name)
  if (whiteoutOf(path)) return
  const name = path.at(-1)
  const { mode, uid, gid, mtimeNs, xattrs } = entry
  const meta = { mode, uid, gid, mtimeNs, xattrs }
  if (name === undefined) {
    if (entry.type === '5') Object.assign(root, meta)
    return
  }
  const folder = findFolder(root, path.slice(0, -1), true)!
  const old = folder.entries.get(name)
  if (entry.type === '5' && old?.kind === 'folder') Object.assign(old, meta)
  else folder.entries.set(name, entry.type === '1' ? linked(root, entry) : made(entry, meta, layer))
}

function made(
  entry: TarEntry,
  meta: Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtimeNs' | 'xattrs'>,
  layer: number,
): Entry {
  switch (entry.type) {
    case '0':
      return { kind: 'file', ...meta, layer, dataAt: entry.dataAt, size: entry.size }
    case '2':
      if (entry.link === '' || entry.link.length > 4095)
        throw new CorruptImage(`the symlink ${entry.name} has no usable target`)
      return { kind: 'symlink', ...meta, mode: 0o777, target: entry.link } // Linux knows no other mode for them
    case '3':
      return { kind: 'character', ...meta, major: entry.major, minor: entry.minor }
    case '4':
      return { kind: 'block', ...meta, major: entry.major, minor: entry.minor }
    case '5':
      return { ...newFolder(), ...meta }
    case '6':
      return { kind: 'fifo', ...meta, major: 0, minor: 0 }
    default:
      throw new CorruptImage(`${entry.name} is of the unknown tar type '${entry.type}'`)
  }
}

/** The file that a hard link names, of this layer or one below. */
function linked(root: Folder, entry: TarEntry): Entry {
  const path = partsOf(entry.link)
  const target = findFolder(root, path.slice(0, -1), false)?.entries.get(path.at(-1) ?? '')
  if (!target || target.kind === 'folder') {
    throw new CorruptImage(
      `${entry.name} is a hard link to ${entry.link}, which is ${target ? 'a folder' : 'not in the image'}`,
    )
  }
  return target
}

/** The parts of a path below the root. A leading slash is confined, a way out of the root refused: both as in Docker. */
export function partsOf(name: string): string[] {
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part.length > maxNameBytes) throw new CorruptImage(`a name of ${part.length} bytes is longer than Linux allows`)
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) throw new CorruptImage(`${name} leads out of the image`)
  }
  return parts
}
