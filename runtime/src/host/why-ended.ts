import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { LittleError } from '../core/errors.ts'
import { WakeFailed } from './instance-errors.ts'
import type { InstanceRecord } from './record.ts'

/** The end of what a guest's kernel or QEMU wrote. */
const tailBytes = 4_096

export class OutOfMemoryOnHost extends LittleError {
  readonly code = 'instance.out_of_memory_on_host'
  readonly status = 502
  readonly hint =
    'The microVM itself needs more than its program: give it more with -m, and report it if it happens again'
  constructor(memoryMib: number, limitMib: number) {
    super(`out of memory on the host: a microVM of ${memoryMib} MiB needed more than its ${limitMib} MiB there`)
  }
}

export class GuestPanicked extends LittleError {
  readonly code = 'instance.guest_panicked'
  readonly status = 502
  readonly hint = 'The app is started anew; if it happens again, see what the program does to its kernel'
  constructor(reason: string) {
    super(`the kernel in the microVM gave up: ${reason}`)
  }
}

/** Why a microVM's process has ended, as far as it, its guest's kernel or its control group left a word. */
export async function whyEnded(
  { id, memoryMib }: InstanceRecord,
  dir: string,
  cgroups: { outOfMemory(id: string): Promise<number | undefined> },
): Promise<Error> {
  const limitMib = await cgroups.outOfMemory(id).catch(() => undefined)
  if (limitMib !== undefined) return new OutOfMemoryOnHost(memoryMib, limitMib)
  const panic = /Kernel panic - not syncing: (.*)/.exec(await tail(join(dir, 'console')))?.[1]
  if (panic) return new GuestPanicked(panic.trim())
  const lastLine = (await tail(join(dir, 'stderr'))).trim().split('\n').at(-1)
  return new WakeFailed(id, `its QEMU process ended${lastLine ? `: ${lastLine}` : ''}`)
}

async function tail(path: string): Promise<string> {
  try {
    await using file = await open(path)
    const { size } = await file.stat()
    const buffer = Buffer.alloc(tailBytes)
    const { bytesRead } = await file.read(buffer, 0, tailBytes, Math.max(0, size - tailBytes))
    return buffer.toString('utf8', 0, bytesRead)
  } catch {
    return '' // it left no word
  }
}
