import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { type ErrorFields, RemoteError } from '../core/errors.ts'
import { KIB } from '../core/units.ts'
import { ImageTooBig, ToolFailed } from './errors.ts'
import type { PackJob, PackStep } from './pack.ts'
import { shutIn } from './shut-in.ts'

type Message = { step: PackStep } | { bytes: number } | { error: ErrorFields & { status: number } }

/**
 * Merges and packs in a child without network, privileges or sight of the host's files, bounded in memory, disk and time:
 * what strangers' images hold is only ever parsed there. Resolves with the size of `<work>/pack/root.erofs`.
 */
export async function packShutIn(
  work: string,
  job: PackJob,
  options: { onStep?: ((step: PackStep) => void) | undefined; signal?: AbortSignal | undefined } = {},
): Promise<number> {
  const { command, args } = await shutIn(work, job.limits)
  const late = AbortSignal.timeout(job.limits.timeMs)
  const signal = options.signal ? AbortSignal.any([late, options.signal]) : late
  const child = spawn(command, args, {
    stdio: 'pipe',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    signal,
    killSignal: 'SIGKILL',
  })
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
  let failure: Error | undefined
  child.on('error', (error) => (failure = error))
  child.stdin.on('error', () => {}) // the child died before it read its job: its end tells why
  child.stdin.end(JSON.stringify(job))
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(0, 64 * KIB)))

  let bytes: number | undefined
  for await (const line of createInterface({ input: child.stdout })) {
    const message: Message = JSON.parse(line)
    if ('step' in message) options.onStep?.(message.step)
    else if ('bytes' in message) bytes = message.bytes
    else failure = new RemoteError(message.error)
  }
  const end = await ended
  options.signal?.throwIfAborted()
  if (late.aborted) throw new ImageTooBig(`merging the image took longer than ${job.limits.timeMs / 1000} s`)
  if (failure instanceof RemoteError && failure.code !== 'internal') throw failure
  if (bytes !== undefined && end.code === 0) return bytes
  if (/out of memory|Allocation failed/i.test(said)) {
    throw new ImageTooBig(`merging the image took more than ${job.limits.memoryMib} MiB of memory`)
  }
  throw new ToolFailed(`merging the image failed (${end.signal ?? end.code}): ${said.trim().split('\n')[0]}`, {
    cause: failure ?? new Error(said),
  })
}
