import { type FileHandle, open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dataExtents, type Extent } from '../../runtime/src/vm/extents.ts'

const pieceBytes = 4 * 1024 * 1024

/** Whether the memory of the process holds the text somewhere. */
export async function memoryHolds(pid: number, text: string): Promise<boolean> {
  const maps = (await readFile(`/proc/${pid}/maps`, 'utf8')).split('\n').filter((line) => / rw/.test(line))
  const extents = maps.map((line): Extent => {
    const [start = 0, end = 0] = (line.split(' ')[0] ?? '').split('-').map((address) => Number.parseInt(address, 16))
    return { at: start, bytes: end - start }
  })
  await using memory = await open(`/proc/${pid}/mem`)
  return await holds(memory, extents, text)
}

/** The plain files below a folder that hold the text; holes are not looked at. */
export async function filesHolding(folder: string, text: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    await using file = await open(join(entry.parentPath, entry.name))
    if (await holds(file, dataExtents(file.fd, (await file.stat()).size), text))
      found.push(join(entry.parentPath, entry.name))
  }
  return found
}

async function holds(file: FileHandle, extents: Extent[], text: string): Promise<boolean> {
  const buffer = Buffer.alloc(pieceBytes)
  for (const { at, bytes } of extents) {
    // pieces overlap, so that no place where the text may stand is cut
    for (let done = 0; done < bytes; done += pieceBytes - text.length) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(pieceBytes, bytes - done), at + done)
      if (buffer.subarray(0, bytesRead).includes(text)) return true
    }
  }
  return false
}
