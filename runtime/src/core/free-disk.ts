import { statfs } from 'node:fs/promises'
import { MIB } from './units.ts'

/** What is free on the disk below a folder for those who are not root, MiB. */
export async function freeDiskMib(dir: string): Promise<number> {
  const { bsize, bavail } = await statfs(dir)
  return (bavail * bsize) / MIB
}
