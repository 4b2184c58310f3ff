import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdir, readdir, realpath, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { SetupFailed } from './failed.ts'

const run = promisify(execFile)
const qemu = '/usr/bin/qemu-system-x86_64'
const modules = '/usr/lib/x86_64-linux-gnu/qemu'
const firmwareFolder = '/usr/share/qemu'
/** `-M microvm` starts from the first, or with `-kernel` through the others. */
const firmware = ['bios-microvm.bin', 'qboot.rom', 'kvmvapic.bin', 'linuxboot.bin', 'linuxboot_dma.bin', 'pvh.bin']

/** A file of the jail's root: the same path inside as outside, so that QEMU finds it where it was built to look. */
export interface JailFile {
  path: string
  bytes: number
  modifiedMs: number
}

/** Everything that a microVM's QEMU opens of the machine: itself, TCG, its libraries and firmware. */
export async function jailFiles(): Promise<JailFile[]> {
  const programs = [qemu, ...(await acceleratorModules())]
  const libraries = await Promise.all(programs.map(librariesOf))
  const firmwarePaths = firmware.map((name) => join(firmwareFolder, name))
  const paths = [...new Set([...programs, ...libraries.flat(), ...firmwarePaths])].sort()
  return Promise.all(paths.map(describe))
}

/** No modules of displays, sound or remote disks: what is not there cannot be attacked. */
async function acceleratorModules(): Promise<string[]> {
  const names = await readdir(modules).catch(() => [])
  return names.filter((name) => name === 'accel-tcg-x86_64.so').map((name) => join(modules, name))
}

/** ldd follows libraries of libraries; the loader itself is the line without an arrow. */
async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await run('ldd', [program]).catch((error: Error) => missing(`${program}: ${error.message}`))
  if (stdout.includes('not found')) missing(`${program} lacks a library:\n${stdout}`)
  return stdout.split('\n').flatMap((line) => /(?:=> |^\s*)(\/\S+) \(0x/.exec(line)?.[1] ?? [])
}

async function describe(path: string): Promise<JailFile> {
  const { size, mtimeMs } = await stat(path).catch((error: Error) => missing(error.message))
  return { path, bytes: size, modifiedMs: Math.round(mtimeMs) }
}

function missing(what: string): never {
  throw new SetupFailed(`the jail cannot be built: ${what}`, 'apt-get install --reinstall qemu-system-x86')
}

/** Makes the root at `target`: owned by root, writable by nobody else. */
export async function buildJailRoot(files: JailFile[], target: string): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o755 })
  for (const name of ['proc', 'dev']) await mkdir(join(target, name), { mode: 0o555 })
  await writeFile(join(target, 'dev/kvm'), '', { mode: 0o444 }) // where the launcher shows /dev/kvm
  for (const { path } of files) {
    const copy = join(target, path)
    await mkdir(dirname(copy), { recursive: true, mode: 0o755 })
    await copyFile(await realpath(path), copy)
    await chmod(copy, (await stat(path)).mode & 0o111 || path.includes('.so') ? 0o555 : 0o444)
  }
  await symlink(qemu.slice(1), join(target, 'qemu'))
  // whatever the umask of the set-up was: QEMU's own uid must be able to pass
  for (const folder of await foldersIn(target)) await chmod(folder, 0o755)
}

async function foldersIn(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return [root, ...entries.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))]
}
