import { open, readFile, stat } from 'node:fs/promises'
import type { Extent } from './extents.ts'
import { descriptors } from './machine.ts'
import { readAt } from './read-at.ts'

const pageBytes = 4096
/** Of the page map, 8 bytes a page: 512 MiB of RAM, looked through in a millisecond. */
const mapBytes = 1024 * 1024

/** Opens the template's memory that the guest's RAM is a private view of. */
export const templateRam = (pid: number) => `/proc/${pid}/fd/${descriptors.ram}`

/** Where the guest's RAM lies in QEMU's address space: its one mapping of the template's memfd. */
export async function ramMapping(pid: number): Promise<Extent> {
  const [{ ino }, maps] = await Promise.all([stat(templateRam(pid)), readFile(`/proc/${pid}/maps`, 'utf8')])
  const found = maps.split('\n').flatMap((line) => {
    const [range = '', , , , inode, name] = line.split(/ +/)
    if (Number(inode) !== ino || !name?.startsWith('/memfd:')) return []
    const [start = 0, end = 0] = range.split('-').map((address) => Number.parseInt(address, 16))
    return [{ at: start, bytes: end - start }]
  })
  const [mapping] = found
  if (!mapping || found.length > 1) throw new Error(`process ${pid} maps its RAM ${found.length} times`)
  return mapping
}

/** The pages of the mapping that are this process' own and no longer the template's; `at` counts from its start. */
export async function ownPages(pid: number, mapping: Extent): Promise<Extent[]> {
  const extents: Extent[] = []
  const wholeBytes = (mapping.bytes / pageBytes) * 8
  const buffer = Buffer.alloc(Math.min(mapBytes, wholeBytes))
  await using map = await open(`/proc/${pid}/pagemap`)
  for (let offset = 0; offset < wholeBytes; offset += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, wholeBytes - offset))
    await readAt(map, part, (mapping.at / pageBytes) * 8 + offset)
    addOwn(part, (offset / 8) * pageBytes, extents)
  }
  return extents
}

/** Bits 63 and 62: there is a page, in memory or swapped; bit 61: it is a file's (Documentation/admin-guide/mm/pagemap.rst). */
function addOwn(map: Buffer, firstAt: number, extents: Extent[]) {
  const words = new Uint32Array(map.buffer, map.byteOffset, map.length / 4)
  let last = extents.at(-1)
  for (let index = 1; index < words.length; index += 2) {
    const bits = words[index]! >>> 29
    if (bits < 2 || bits & 1) continue
    const at = firstAt + ((index - 1) / 2) * pageBytes
    if (last && last.at + last.bytes === at) {
      last.bytes += pageBytes
    } else {
      last = { at, bytes: pageBytes }
      extents.push(last)
    }
  }
}
