import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { cacheDir, cachePaths } from '../../runtime/src/core/paths.ts'
import { type CpioEntry, cpio } from './cpio.ts'
import { newestKernelPackage, unpackKernel } from './kernel.ts'
import { lines, modulesInOrder } from './modules.ts'

const run = promisify(execFile)
const sources = join(import.meta.dirname, '../../guest')

/**
 * Makes what guests boot from, if the cache lacks it or the sources in guest/ have changed: Debian's cloud kernel,
 * the base initrd with our init, and the TSC meter. A kernel that is there is kept (templates depend on it);
 * removing the cache's kernel folder gets the newest.
 */
export async function ensureGuest(progress: (line: string) => void, cache = cacheDir()): Promise<void> {
  const paths = cachePaths(cache)
  const stamp = join(dirname(paths.initrd), 'stamp')
  const wanted = await fingerprint()
  const [kernel, built] = await Promise.all([keptKernel(dirname(paths.kernel)), textOf(stamp)])
  if (kernel !== undefined && built === `${wanted} ${kernel}`) return

  await mkdir(cache, { recursive: true })
  const release = kernel ?? (await fetchKernel(progress, cache))
  progress('building what boots inside: init and initrd')
  const work = await mkdtemp(join(cache, '.guest-'))
  try {
    await run('sh', [join(sources, 'build.sh'), work])
    await writeFile(join(work, 'initrd'), await initrd(join(work, 'init'), join(cache, 'kernel/modules')))
    await writeFile(join(work, 'stamp'), `${wanted} ${release}`)
    await mkdir(dirname(stamp), { recursive: true })
    for (const file of ['init', 'tsc', 'initrd', 'stamp']) await rename(join(work, file), join(dirname(stamp), file))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** The release of the kernel in the cache, unless it was kept with other modules than those we want now. */
async function keptKernel(folder: string): Promise<string | undefined> {
  const [list, kept] = await Promise.all([textOf(join(sources, 'modules.list')), textOf(join(folder, 'modules.list'))])
  return kept === list ? textOf(join(folder, 'release')) : undefined
}

async function fetchKernel(progress: (line: string) => void, cache: string): Promise<string> {
  const name = await newestKernelPackage()
  progress(`fetching ${name} (27 MB), the kernel of the guests; it is not installed on this machine`)
  const work = await mkdtemp(join(cache, '.kernel-'))
  try {
    const release = await unpackKernel(name, join(work, 'package'))
    const kept = join(work, 'kernel')
    await mkdir(join(kept, 'modules'), { recursive: true })
    await copyFile(join(work, 'package/boot', `vmlinuz-${release}`), join(kept, 'vmlinuz'))
    for (const [index, file] of (await wantedModules(join(work, 'package/lib/modules', release))).entries()) {
      await copyFile(file, join(kept, 'modules', `${String(index).padStart(2, '0')}-${basename(file)}`))
    }
    await copyFile(join(sources, 'modules.list'), join(kept, 'modules.list'))
    await writeFile(join(kept, 'release'), release)
    await rm(join(cache, 'kernel'), { recursive: true, force: true })
    await rename(kept, join(cache, 'kernel'))
    return release
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

const wantedModules = async (folder: string) => modulesInOrder(folder, await lines(join(sources, 'modules.list')))

async function initrd(init: string, modules: string): Promise<Buffer> {
  const entries: CpioEntry[] = ['dev', 'proc', 'sys', 'vm', 'modules'].map((path) => ({ path, mode: 0o40755 }))
  entries.push({ path: 'init', mode: 0o100755, data: await readFile(init) })
  for (const name of (await readdir(modules)).sort()) {
    entries.push({ path: `modules/${name}`, mode: 0o100644, data: await readFile(join(modules, name)) })
  }
  return cpio(entries)
}

/** Of everything in this tree that the result is made from. */
async function fingerprint(): Promise<string> {
  const hash = createHash('sha256')
  const files = (await readdir(sources, { recursive: true })).filter((path) => /\.(c|h|sh|list)$/.test(path)).sort()
  for (const file of files)
    hash
      .update(file)
      .update('\0')
      .update(await readFile(join(sources, file)))
  for (const file of ['cpio.ts', 'guest.ts']) hash.update(await readFile(join(import.meta.dirname, file)))
  return hash.digest('hex')
}

const textOf = (file: string) => readFile(file, 'utf8').catch(() => undefined)
