import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { LittleError } from '../core/errors.ts'
import type { NodeId } from '../core/ids.ts'
import { isSuspended } from './memory-image.ts'

const keyBytes = 32
/** Folders that are in memory on nearly every machine; a container may have only the second. */
const places = ['/run', '/dev/shm']
/** statfs(2) `f_type` of tmpfs and ramfs. */
const memoryFileSystems = [0x01021994, 0x858458f6]

export class NoMemoryFileSystem extends LittleError {
  readonly code = 'host.no_memory_file_system'
  readonly status = 500
  readonly hint = 'Mount one: mount -t tmpfs -o mode=755 tmpfs /run'
  constructor() {
    super(`none of ${places.join(' and ')} is a file system in memory, where the key of suspended apps could lie`)
  }
}

/**
 * The key of a node's suspended instances: in memory only, so that no disk holds both, and in a file, so that an agent
 * that was killed finds it again. When the machine is turned off it goes, and those instances start anew.
 */
export async function suspendKey(node: NodeId): Promise<Buffer> {
  const path = await keyPath(node)
  const known = await readFile(path).catch(() => undefined)
  if (known?.length === keyBytes) return known
  const key = randomBytes(keyBytes)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFile(`${path}.new`, key, { mode: 0o600 })
  await rename(`${path}.new`, path)
  return key
}

/** For a node that has ended its instances; one that could not be removed from the disk may still be woken with it. */
export async function forgetSuspendKey(node: NodeId, instancesDir: string) {
  const folders = await readdir(instancesDir).catch(() => [] as string[])
  if (folders.some((folder) => isSuspended(join(instancesDir, folder)))) return
  await rm(await keyPath(node), { force: true })
}

async function keyPath(node: NodeId): Promise<string> {
  for (const place of places) {
    const { type } = await statfs(place).catch(() => ({ type: 0 }))
    if (memoryFileSystems.includes(type)) return join(place, 'littlecloud', `${node}.key`)
  }
  throw new NoMemoryFileSystem()
}
