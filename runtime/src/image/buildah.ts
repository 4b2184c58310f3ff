import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDir } from '../core/paths.ts'

/** Arguments that give buildah its storage in our cache: it shares nothing with a buildah or podman of the machine's owner. */
export async function buildahStorage(): Promise<string[]> {
  const filesystems = await readFile('/proc/filesystems', 'utf8')
  const driver = /\boverlay$/m.test(filesystems) ? 'overlay' : 'vfs' // vfs copies whole layers: slow, but works everywhere
  const root = join(cacheDir(), 'buildah')
  return ['--root', join(root, 'storage'), '--runroot', join(root, 'run'), '--storage-driver', driver]
}
