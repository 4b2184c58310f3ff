const prefix = '.wh.'

export type Whiteout = { kind: 'remove'; name: string } | { kind: 'opaque' } | { kind: 'ignored' }

/** What an entry of this path takes away from the layers below, undefined for an ordinary one. */
export function whiteoutOf(path: string[]): Whiteout | undefined {
  const name = path.at(-1)
  if (name === undefined) return undefined
  if (name === '.wh..wh..opq') return { kind: 'opaque' }
  // AUFS' own files (.wh..wh.plnk/…, .wh..wh.aufs): Docker skips them too.
  if (path.some((part) => part.startsWith('.wh..wh.'))) return { kind: 'ignored' }
  return name.startsWith(prefix) ? { kind: 'remove', name: name.slice(prefix.length) } : undefined
}
