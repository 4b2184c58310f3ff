import { createHash } from 'node:crypto'
import { type FileHandle, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { dataExtents, inChunks } from '../vm/extents.ts'
import { readAt, writeAt } from '../vm/read-at.ts'

const Checksums = z.object({ ram: z.string(), state: z.string(), scratch: z.string() })
type Checksums = z.infer<typeof Checksums>

/** One update of the hash takes a millisecond; in between others get their turn. */
const chunkBytes = 1024 * 1024

/** SHA-256 of what is in a sparse file, and of where it is; copied on the way if there is a `copy`. */
export async function checksum(path: string, copy?: FileHandle): Promise<string> {
  const hash = createHash('sha256')
  await using file = await open(path)
  const { size } = await file.stat()
  hash.update(`${size}`)
  const buffer = Buffer.alloc(chunkBytes)
  for (const { at, bytes } of inChunks(dataExtents(file.fd, size), chunkBytes).flat()) {
    const part = buffer.subarray(0, bytes)
    await readAt(file, part, at)
    hash.update(`${at},${bytes};`).update(part)
    if (copy) await writeAt(copy, part, at)
  }
  await copy?.truncate(size)
  return hash.digest('hex')
}

/** Whether the second memfd holds what the first one does. Holes of the first are not looked at: no two builds differ only there. */
export async function sameMemory(one: number, other: number): Promise<boolean> {
  await using a = await open(`/proc/self/fd/${one}`)
  await using b = await open(`/proc/self/fd/${other}`)
  const { size } = await a.stat()
  if ((await b.stat()).size !== size) return false
  const buffers = [Buffer.alloc(chunkBytes), Buffer.alloc(chunkBytes)] as const
  for (const { at, bytes } of inChunks(dataExtents(a.fd, size), chunkBytes).flat()) {
    const [inOne, inOther] = [buffers[0].subarray(0, bytes), buffers[1].subarray(0, bytes)]
    await Promise.all([readAt(a, inOne, at), readAt(b, inOther, at)])
    if (!inOne.equals(inOther)) return false
  }
  return true
}

/** Of a template's files as they are now; `ram` is also copied into the memfd. */
export async function checksumsOf(dir: string, memfd?: number): Promise<Checksums> {
  await using copy = memfd === undefined ? undefined : await open(`/proc/self/fd/${memfd}`, 'r+')
  const [ram, state, scratch] = await Promise.all([
    checksum(join(dir, 'ram'), copy),
    checksum(join(dir, 'state')),
    checksum(join(dir, 'scratch')),
  ])
  return { ram, state, scratch }
}

/** Notes in the folder of a template what its files are. */
export async function writeChecksums(dir: string) {
  await writeFile(join(dir, 'checksums.json'), JSON.stringify(await checksumsOf(dir)), { mode: 0o600 })
}

/** Undefined if there are none that can be read: then the template is worth nothing. */
export async function readChecksums(dir: string): Promise<Checksums | undefined> {
  try {
    return Checksums.parse(JSON.parse(await readFile(join(dir, 'checksums.json'), 'utf8')))
  } catch {
    return undefined
  }
}
