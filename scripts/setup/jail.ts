import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { cachePaths } from '../../runtime/src/core/paths.ts'
import { SetupFailed } from './failed.ts'
import { buildJailRoot, type JailFile, jailFiles } from './jail-root.ts'

const run = promisify(execFile)
const sources = join(import.meta.dirname, '../../jail')
const launchSources = ['launch', 'fail', 'options', 'descriptors', 'confine', 'filter', 'supervise'].map(
  (name) => `${name}.c`,
)
const boostSources = ['boost.c']
const staticProgram = ['-static', '-Os']
/** Loaded into QEMU, so it must bring no libc of its own. */
const sharedObject = ['-shared', '-fPIC', '-nostdlib', '-O2']

/** Afterwards the cache has the launcher, the booster and the read-only root that QEMU runs in, all of this version. */
export async function ensureJail(progress: (line: string) => void, cache?: string): Promise<void> {
  const paths = cachePaths(cache)
  const folder = dirname(paths.jailLaunch)
  const files = await jailFiles()
  const key = await stamp(files)
  const stampFile = join(folder, 'stamp')
  if ((await readFile(stampFile, 'utf8').catch(() => '')) === key) return
  progress('building the jail that every microVM runs in')
  await mkdir(folder, { recursive: true, mode: 0o755 })
  await compile(launchSources, paths.jailLaunch, staticProgram)
  await compile(boostSources, paths.jailBoost, staticProgram)
  await replaceRoot(files, paths.jailRoot, key)
  await writeFile(stampFile, key)
  progress(`the jail is built: ${files.length} files`)
}

/** Changes with our sources, with QEMU, and with each of its libraries (a security update of libc, say). */
async function stamp(files: JailFile[]): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(files))
  const names = (await readdir(sources)).filter((name) => /\.[ch]$/.test(name)).sort()
  names.push('../scripts/setup/jail-root.ts')
  for (const name of names) hash.update(name).update(await readFile(join(sources, name)))
  return hash.digest('hex')
}

/** A running launcher keeps the file it was started from: the new one takes its name in one step. */
async function compile(names: string[], target: string, kind: string[]): Promise<void> {
  const fresh = `${target}.${process.pid}`
  // musl has no kernel headers of its own; Debian's come after musl's, so that they replace none of them
  const headers = ['/usr/include', '/usr/include/x86_64-linux-gnu'].flatMap((path) => ['-idirafter', path])
  const options = [...kind, '-Wall', '-Wextra', '-Werror', ...headers]
  try {
    await run('musl-gcc', [...options, '-o', fresh, ...names], { cwd: sources, timeout: 60_000 })
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string }
    throw new SetupFailed(`jail: ${stderr?.trim() || message}`, 'apt-get install musl-tools linux-libc-dev gcc', {
      cause: error,
    })
  }
  await rename(fresh, target)
}

/** Running microVMs stay in the root they were started in, also when its files are removed: they have them open. */
async function replaceRoot(files: JailFile[], link: string, key: string): Promise<void> {
  const folder = dirname(link)
  const name = `root-${key.slice(0, 12)}`
  const fresh = join(folder, `${name}.${process.pid}`)
  await rm(fresh, { recursive: true, force: true })
  await buildJailRoot(files, fresh)
  await compile(['private-ram.c'], join(fresh, 'private-ram.so'), sharedObject)
  await chmod(join(fresh, 'private-ram.so'), 0o555)
  await rm(join(folder, name), { recursive: true, force: true })
  await rename(fresh, join(folder, name))
  await symlink(name, `${link}.${process.pid}`)
  await rename(`${link}.${process.pid}`, link)
  const old = (await readdir(folder)).filter((entry) => entry.startsWith('root-') && entry !== name)
  for (const entry of old) await rm(join(folder, entry), { recursive: true, force: true })
}
