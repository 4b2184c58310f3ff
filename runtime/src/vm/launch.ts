import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { cachePaths } from '../core/paths.ts'
import { JailFailed } from './launch-errors.ts'
import { Launched, type ProcessIdentity } from './launched.ts'

export { JailFailed } from './launch-errors.ts'
export { Launched, type ProcessIdentity } from './launched.ts'
export { alive } from './process.ts'

/** Where the launcher and the read-only root lie. */
export interface JailFiles {
  launch: string
  root: string
}

export const jailFiles = (cache?: string): JailFiles => {
  const paths = cachePaths(cache)
  return { launch: paths.jailLaunch, root: paths.jailRoot }
}

/** What spec/jail.md lets one ask of the launcher. Numbers are the descriptors that the command sees. */
export interface LaunchSpec {
  /** `pid` and `stderr` are written into it. */
  dir: string
  jail: JailFiles
  /** ≥ 65536, of this instance alone. */
  uid: number
  cgroups?: string[]
  files?: { fd: number; mode: 'r' | 'w' | 'rw'; path: string }[]
  /** Templates' RAM; refused unless sealed. */
  memfds?: { fd: number; path: string }[]
  listens?: { fd: number; path: string }[]
  taps?: { fd: number; name: string }[]
  kvm?: boolean
  /** The program, absolute inside the root (`/qemu`), and its arguments. */
  command: string[]
}

/** A start takes some 20 ms on a quiet machine; a launcher that hangs must not hang its caller. */
const defaultDeadlineMs = 10_000

/**
 * Starts the command in its jail; resolves once it runs, and it then outlives this process. Throws JailFailed with the
 * launcher's reason if it cannot be, and then nothing of it runs.
 */
export async function launch(spec: LaunchSpec, deadlineMs = defaultDeadlineMs): Promise<Launched> {
  const options = { detached: true, stdio: ['ignore', 'ignore', 'pipe'] as ['ignore', 'ignore', 'pipe'], env: {} }
  const child = spawn(spec.jail.launch, launchArguments(spec), options)
  const exited = exitOf(child)
  const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
  try {
    const complaint = (await text(child.stderr)).trim() // ends when the command runs, or with the launcher
    if (complaint) throw new JailFailed(complaint)
    const identity = await readPidfile(pidfile(spec.dir))
    if (identity.launcherPid !== child.pid) throw new JailFailed(`the command did not run within ${deadlineMs} ms`)
    child.unref()
    return new Launched(identity, exited)
  } catch (error) {
    child.kill('SIGKILL')
    const noProgram = await exited.then(() => undefined).catch((reason: Error) => reason)
    throw (
      noProgram ?? (error instanceof JailFailed ? error : new JailFailed((error as Error).message, { cause: error }))
    )
  } finally {
    clearTimeout(timer)
  }
}

const pidfile = (dir: string) => join(dir, 'pid')

/** What an earlier agent launched in this folder, if it still runs. */
export async function findLaunched(dir: string): Promise<Launched | undefined> {
  const launched = await readPidfile(pidfile(dir)).then(
    (identity) => new Launched(identity),
    () => undefined, // never launched, or cut off before it ran
  )
  return launched?.alive ? launched : undefined
}

async function readPidfile(path: string): Promise<ProcessIdentity> {
  const [pid, startTime, launcherPid] = (await readFile(path, 'utf8')).trim().split(' ')
  if (!pid || !startTime || !launcherPid) throw new JailFailed(`${path} is not a pid file of the launcher`)
  return { pid: Number(pid), startTime, launcherPid: Number(launcherPid) }
}

function exitOf(child: ChildProcess): Promise<number> {
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', (error) => reject(new JailFailed(error.message, { cause: error })))
    child.once('exit', (code) => resolve(code ?? 255)) // null: the launcher itself was killed
  })
  exited.catch(() => {}) // who waits hears of it; nobody has to
  return exited
}

function launchArguments(spec: LaunchSpec): string[] {
  return [
    ...['--pidfile', pidfile(spec.dir), '--stderr', join(spec.dir, 'stderr')],
    ...['--uid', `${spec.uid}`, '--root', spec.jail.root],
    ...(spec.cgroups ?? []).flatMap((folder) => ['--cgroup', folder]),
    ...(spec.files ?? []).flatMap(({ fd, mode, path }) => ['--file', `${fd}:${mode}:${path}`]),
    ...(spec.memfds ?? []).flatMap(({ fd, path }) => ['--memfd', `${fd}:${path}`]),
    ...(spec.listens ?? []).flatMap(({ fd, path }) => ['--listen', `${fd}:${path}`]),
    ...(spec.taps ?? []).flatMap(({ fd, name }) => ['--tap', `${fd}:${name}`]),
    ...(spec.kvm ? ['--kvm'] : []),
    ...['--', ...spec.command],
  ]
}
