import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const llistxattr = libc.func('int64_t llistxattr(const char *path, _Out_ uint8_t *list, size_t size)')
const lgetxattr = libc.func('int64_t lgetxattr(const char *path, const char *name, _Out_ uint8_t *value, size_t size)')

/** Extended attributes of a file itself, by name; values are byte strings (latin1). Node has no call for them. */
export function xattrsOf(path: string): Record<string, string> {
  const list = Buffer.alloc(64 * 1024)
  const length = Number(llistxattr(path, list, list.length))
  if (length < 0) throw new Error(`llistxattr failed for ${path}`)
  const names = list.toString('latin1', 0, length).split('\0').filter(Boolean)
  const value = Buffer.alloc(64 * 1024)
  return Object.fromEntries(
    names.map((name) => [name, value.toString('latin1', 0, Number(lgetxattr(path, name, value, value.length)))]),
  )
}
