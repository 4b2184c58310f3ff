import { execFile } from 'node:child_process'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { LittleError } from '../core/errors.ts'
import { cacheDir, cachePaths } from '../core/paths.ts'
import { MIB } from '../core/units.ts'
import { probeKvm } from './kvm-probe.ts'

const run = promisify(execFile)

/** What was found out about this machine; remembered until it boots again or gets another QEMU. */
export const Machine = z.object({
  bootId: z.string(),
  qemuVersion: z.string(),
  accelerator: z.enum(['kvm', 'tcg']),
  /** `emulated`: the guest's CPU is QEMU's software, which QEMU itself does not call a security boundary. */
  isolation: z.enum(['hardware', 'emulated']),
  /** Why this accelerator, for people. */
  reason: z.string(),
  /** The host's TSC rate, which a guest under TCG must be told. */
  tscKhz: z.number().int().positive(),
  cpus: z.number().int(),
  memoryMib: z.number().int(),
})
export type Machine = z.infer<typeof Machine>

export class MachineNotSetUp extends LittleError {
  readonly code = 'machine.not_set_up'
  readonly status = 500
  readonly hint = 'Set this machine up first: npm start, or sh scripts/with-node.sh scripts/setup.ts'
}

/** What machine.json says, if it is still true. */
export async function knownMachine(cache = cacheDir()): Promise<Machine | undefined> {
  const text = await readFile(cachePaths(cache).machine, 'utf8').catch(() => '{}')
  const [bootId, qemuVersion] = await Promise.all([currentBootId(), currentQemuVersion()])
  let known: ReturnType<typeof Machine.safeParse>
  try {
    known = Machine.safeParse(JSON.parse(text))
  } catch {
    return undefined // half a file: found out anew
  }
  const { success, data } = known
  return success && data.bootId === bootId && data.qemuVersion === qemuVersion ? data : undefined
}

/** KVM where a guest really boots in it, else emulation. Probes (≤ 2 s) only when nothing is known. */
export async function detectMachine(cache = cacheDir()): Promise<Machine> {
  const known = await knownMachine(cache)
  if (known) return known

  const paths = cachePaths(cache)
  const [bootId, qemuVersion] = await Promise.all([currentBootId(), currentQemuVersion()])
  const kvm = await probeKvm(paths.kernel, paths.initrd)
  const machine: Machine = {
    bootId,
    qemuVersion,
    accelerator: kvm.usable ? 'kvm' : 'tcg',
    isolation: kvm.usable ? 'hardware' : 'emulated',
    reason: kvm.reason,
    tscKhz: await measureTscKhz(cache),
    cpus: availableParallelism(),
    memoryMib: Math.floor(totalmem() / MIB),
  }
  await mkdir(dirname(paths.machine), { recursive: true })
  const written = `${paths.machine}.${process.pid}`
  await writeFile(written, `${JSON.stringify(machine, null, 2)}\n`)
  await rename(written, paths.machine)
  return machine
}

async function currentBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
}

async function currentQemuVersion(): Promise<string> {
  const { stdout } = await run('qemu-system-x86_64', ['--version']).catch((cause) => {
    throw new MachineNotSetUp('qemu-system-x86_64 does not run', { cause })
  })
  return stdout.split('\n')[0] ?? ''
}

async function measureTscKhz(cache: string): Promise<number> {
  const { stdout } = await run(join(cache, 'guest/tsc')).catch((cause) => {
    throw new MachineNotSetUp('the tool that measures the clock rate does not run', { cause })
  })
  return Math.round(Number(stdout.trim()))
}
