import { readFile, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { raiseOpenFiles } from '../../runtime/src/core/open-files.ts'
import { cacheDir, dataDir } from '../../runtime/src/core/paths.ts'
import { formatBytes, MIB } from '../../runtime/src/core/units.ts'
import { type Finding, fail, ok, warn } from './check.ts'

/** What a set-up downloads and builds, with room for images: packages 0.9 GiB, base images and tests about 4 GiB. */
const firstBytes = 6 * 1024 * MIB
/** Below this a deploy of an ordinary image fails half-way. */
const workingBytes = 1024 * MIB

/** Free disk space in the cache and data folders; `fresh`: nothing is set up yet. */
export async function disk(fresh = false): Promise<Finding[]> {
  const folders = [...new Set([cacheDir(), dataDir()])]
  return Promise.all(
    folders.map(async (folder) => {
      const { bavail, bsize } = await statfsOfNearest(folder)
      const free = bavail * bsize
      const fact = `${formatBytes(free)} free for ${folder}`
      if (free < (fresh ? firstBytes : workingBytes)) {
        const next = `Make room (${formatBytes(fresh ? firstBytes : workingBytes)} at least), or set LITTLE_CACHE and LITTLE_DATA to a larger disk`
        return fail('disk', fact, next)
      }
      return free < firstBytes ? warn('disk', fact, 'Make room before deploying large images') : ok('disk', fact)
    }),
  )
}

/** 2 GiB hold the roles and some small instances; with less, deploys are refused soon. */
export async function memory(): Promise<Finding[]> {
  const text = await readFile('/proc/meminfo', 'utf8')
  const mib = (field: string) =>
    Math.floor(Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024)
  const available = mib('MemAvailable')
  const fact = `${available} of ${mib('MemTotal')} MiB available`
  if (available < 768) return [fail('memory', fact, 'Stop something else, or use a machine with 2 GiB or more')]
  return [available < 2048 ? warn('memory', fact, 'Enough for a few small instances only') : ok('memory', fact)]
}

/** Tried, not deduced: this process gets what an edge will get. */
export function openFiles(): Finding[] {
  const files = raiseOpenFiles()
  const fact = `an edge can have ${files} files open: room for ${Math.floor(files / 2).toLocaleString('en')} connections`
  if (files >= 65_536) return [ok('open-files', fact)]
  return [warn('open-files', fact, 'Start the cloud as root, or with a higher limit: ulimit -n 1048576')]
}

async function statfsOfNearest(folder: string): Promise<{ bavail: number; bsize: number }> {
  for (let path = folder; ; path = dirname(path)) {
    const found = await statfs(path).catch(() => undefined)
    if (found) return found
    if (path === dirname(path)) throw new Error(`no file system found for ${folder}`)
  }
}
