import { execFile } from 'node:child_process'
import { closeSync, ftruncateSync, openSync } from 'node:fs'
import { readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LittleError } from '../core/errors.ts'
import type { ImageDigest } from '../core/ids.ts'
import { MIB } from '../core/units.ts'
import { bootArguments } from '../vm/machine.ts'
import { createMemfd } from '../vm/memfd.ts'
import { MicroVm } from '../vm/micro-vm.ts'
import { saveState } from '../vm/snapshot.ts'
import { writeChecksums } from './checksums.ts'

const run = promisify(execFile)
/** Some seconds of a quiet disk at the most; one that hangs must not hang a build for ever. */
const toolDeadlineMs = 120_000

/** What a template is made from; anything else (config, secrets, identity) must not be in it. */
export interface TemplateSource {
  digest: ImageDigest
  rootPath: string
  memoryMib: number
  cpus: number
}

/** What building needs of the host it runs on. */
export interface BuildTools {
  machine: { accelerator: 'kvm' | 'tcg'; tscKhz: number }
  /** Changes with QEMU, kernel, init or the CPU model: a template of another one cannot be used. */
  fingerprint: string
  kernel: string
  initrd: string
  /** Lends a tap that leads nowhere: the guest's driver settles its features with the kind of link it finds. */
  withTap: <T>(use: (tap: string) => Promise<T>) => Promise<T>
  uid: number
}

/** Sparse, so it costs what is written. It is as large as an app's files may grow. */
const scratchMib = 4096

/** Under TCG a boot takes some 3 s alone, and many times that on a loaded machine. */
const bootDeadlineMs = 90_000

export class TemplateDidNotBoot extends LittleError {
  readonly code = 'template.did_not_boot'
  readonly status = 500
  readonly hint = 'Give it more memory with -m; if that does not help, little doctor checks this machine'
  constructor(memoryMib: number, lastLine: string, options?: { cause?: unknown }) {
    super(`the image did not boot in ${memoryMib} MiB: ${lastLine || 'the guest said nothing'}`, options)
  }
}

export class TemplateDamaged extends LittleError {
  readonly code = 'template.damaged'
  readonly status = 500
  readonly hint = 'Check the disk of this machine: what was written to it a moment ago reads differently'
  constructor(dir: string) {
    super(`the template in ${dir} is not what was written`)
  }
}

/** Boots the image up to its first instruction and writes `ram`, `state`, `scratch` and their checksums into `dir`. */
export async function buildTemplate(dir: string, source: TemplateSource, tools: BuildTools): Promise<void> {
  const scratch = join(dir, 'scratch')
  await makeScratch(scratch)
  const ram = createMemfd('building')
  try {
    ftruncateSync(ram, source.memoryMib * MIB)
    const ramPath = `/proc/${process.pid}/fd/${ram}`
    await tools.withTap((tap) => bootAndSave(dir, scratch, ramPath, tap, source, tools))
    // QEMU is gone, so nobody writes any more; holes stay holes.
    await run('cp', ['--sparse=always', ramPath, join(dir, 'ram')], { timeout: toolDeadlineMs })
    await writeChecksums(dir)
  } finally {
    closeSync(ram)
  }
  for (const name of ['qmp', 'ctl', 'log', 'pid', 'stderr', 'console']) await rm(join(dir, name), { force: true })
}

async function bootAndSave(
  dir: string,
  scratch: string,
  ramPath: string,
  tap: string,
  source: TemplateSource,
  { machine, kernel, initrd, uid }: BuildTools,
) {
  const vm = await MicroVm.start({
    dir,
    uid,
    cgroups: [],
    tap,
    files: {
      ram: { mode: 'rw', path: ramPath },
      root: { mode: 'r', path: source.rootPath },
      scratch: { mode: 'rw', path: scratch },
      kernel: { mode: 'r', path: kernel },
      initrd: { mode: 'r', path: initrd },
    },
    accelerator: machine.accelerator,
    args: bootArguments({ ...machine, memoryMib: source.memoryMib, cpus: source.cpus }),
  })
  try {
    await vm.guest.waiting(bootDeadlineMs).catch(async (cause) => {
      const console_ = await readFile(join(dir, 'console'), 'utf8').catch(() => '')
      throw new TemplateDidNotBoot(source.memoryMib, console_.trim().split('\n').at(-1) ?? '', { cause })
    })
    const statePath = join(dir, 'state')
    await writeFile(statePath, '', { mode: 0o600 })
    const state = openSync(statePath, 'w')
    try {
      await saveState(vm.qmp, state)
    } finally {
      closeSync(state)
    }
  } finally {
    await vm.kill()
  }
}

async function makeScratch(path: string) {
  await writeFile(path, '', { mode: 0o600 })
  await truncate(path, scratchMib * MIB)
  // No journal: the file is worth nothing without the RAM that was mounted on it.
  await run('mkfs.ext4', ['-q', '-F', '-O', '^has_journal', '-E', 'lazy_itable_init=1', '-m', '0', path], {
    timeout: toolDeadlineMs,
  })
}
