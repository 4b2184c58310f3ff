import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const readyWithinMs = 60_000

/** One process of a cloud that a test runs beside a supervisor's, or without any. Nobody starts it again. */
export interface RoleProcess {
  pid: number
  log(): string
  signal(signal: NodeJS.Signals): void
  /** Ends it in order; after 20 s, or if it is stopped, by force. */
  stop(): Promise<void>
  /** kill -9. */
  kill(): Promise<void>
}

/**
 * Starts a role as its supervisor would, resolves when it says that it is ready. `inNetworkOf` is the pid of a process
 * in the network namespace where it shall live.
 */
export async function startRole(
  role: 'control' | 'billing' | 'host' | 'edge',
  config: object,
  { dir, name = role, inNetworkOf }: { dir: string; name?: string; inNetworkOf?: number | undefined },
): Promise<RoleProcess> {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const file = join(dir, `${name}.json`)
  const logFile = join(dir, `${name}.log`)
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 })
  const script = join(import.meta.dirname, `../../runtime/src/bin/${role}.ts`)
  const command = [process.execPath, script, '--config', file]
  if (inNetworkOf !== undefined) command.unshift('nsenter', `--net=/proc/${inNetworkOf}/ns/net`, '--')
  const output = openSync(logFile, 'a', 0o600)
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', output, output, 'ipc'] })
  closeSync(output)
  const log = () => readFileSync(logFile, 'utf8')
  await ready(child, name, log)
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const kill = () => {
    child.kill('SIGKILL')
    return exited
  }
  return {
    pid: child.pid!,
    log,
    signal: (signal) => void child.kill(signal),
    kill,
    async stop() {
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      const timer = setTimeout(kill, 20_000)
      await exited
      clearTimeout(timer)
    },
  }
}

async function ready(child: ChildProcess, name: string, log: () => string) {
  const given = new AbortController()
  const options = { signal: AbortSignal.any([given.signal, AbortSignal.timeout(readyWithinMs)]) }
  const died = once(child, 'exit', options).then(() => Promise.reject(new Error(`${name} ended at once:\n${log()}`)))
  try {
    await Promise.race([once(child, 'message', options), died])
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    given.abort()
    died.catch(() => {})
  }
}
