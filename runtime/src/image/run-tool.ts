import { spawn } from 'node:child_process'
import { ToolFailed } from './errors.ts'

export interface ToolResult {
  code: number
  stdout: string
  /** The last 16 KiB of both streams in the order they came: for messages. */
  tail: string
}

const tailBytes = 16 * 1024
/** More than any manifest or config that a registry gives out (4 MiB is their usual limit). */
const stdoutBytes = 8 * 1024 * 1024

/** Runs one program to its end; rejects only if it cannot be started or the signal fires. */
export function runTool(
  command: string,
  args: string[],
  options: {
    env?: NodeJS.ProcessEnv
    signal?: AbortSignal | undefined
    onLine?: ((line: string) => void) | undefined
    /** What it mounts goes when it ends: builders leave their layers mounted. */
    ownMounts?: boolean
  } = {},
): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const [program, ownArgs] = options.ownMounts ? ['unshare', ['--mount', command, ...args]] : [command, args]
    const child = spawn(program, ownArgs, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: options.env ?? process.env,
      ...(options.signal ? { signal: options.signal } : {}),
    })
    let stdout = ''
    let tail = ''
    let line = ''
    let aborted: Error | undefined
    const take = (text: string) => {
      tail = (tail + text).slice(-tailBytes)
      const lines = (line + text).split('\n')
      line = lines.pop() ?? ''
      for (const complete of lines) options.onLine?.(complete)
    }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (stdout.length < stdoutBytes) stdout += text
      take(text)
    })
    child.stderr.setEncoding('utf8').on('data', take)
    child.on('error', (error) => {
      if (error.name === 'AbortError') aborted = error
      else reject(new ToolFailed(`${command} could not be started: ${error.message}`, { cause: error }))
    })
    child.on('close', (code) => {
      if (line) options.onLine?.(line)
      if (aborted) reject(aborted)
      else resolve({ code: code ?? -1, stdout, tail })
    })
  })
}
