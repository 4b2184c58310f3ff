import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LittleError } from '../core/errors.ts'
import { GuestChannel } from './guest.ts'
import { Hmp } from './hmp.ts'
import { jailFiles, type Launched, launch } from './launch.ts'
import { descriptors } from './machine.ts'
import { Qmp } from './qmp.ts'

export interface VmSpec {
  /** Folder of this VM: sockets, console and pid file are made in it. */
  dir: string
  /** Unprivileged user id of this VM alone. */
  uid: number
  cgroups: string[]
  tap: string
  accelerator: 'kvm' | 'tcg'
  /** Paths that root can open: the descriptor's name → mode and path. */
  files: Partial<Record<'ram' | 'root' | 'scratch' | 'kernel' | 'initrd', { mode: 'r' | 'rw'; path: string }>>
  /** A template's RAM, sealed; instead of `files.ram`. */
  sealedRam?: string
  args: string[]
  /**
   * Its guest's log goes on where an earlier process left it (`GuestChannel.logAtBoundary`), and nothing of it is lost: the
   * guest's port never sees that its host has changed. Otherwise what comes before the echo of our hello is skipped.
   */
  logContinues?: boolean
}

export class VmDidNotStart extends LittleError {
  readonly code = 'vm.did_not_start'
  readonly status = 500
  readonly hint = 'little doctor checks what a microVM needs on this machine'
  constructor(reason: string, options?: { cause?: unknown }) {
    super(`a microVM could not be started: ${reason}`, options)
  }
}

/** One QEMU process with its monitor and its guest channel. The process outlives us: see `adopt`. */
export class MicroVm {
  readonly dir: string
  readonly process: Launched
  readonly qmp: Qmp
  readonly hmp: Hmp
  readonly guest: GuestChannel

  private constructor(dir: string, process: Launched, { qmp, hmp, guest }: Pick<MicroVm, 'qmp' | 'hmp' | 'guest'>) {
    this.dir = dir
    this.process = process
    this.qmp = qmp
    this.hmp = hmp
    this.guest = guest
  }

  /** Starts QEMU in its jail; resolves when monitor and guest channel are connected. Leaves no process behind on failure. */
  static async start(spec: VmSpec): Promise<MicroVm> {
    await mkdir(spec.dir, { recursive: true, mode: 0o700 })
    const process = await launchQemu(spec)
    try {
      return await MicroVm.#connect(spec.dir, process, spec.logContinues)
    } catch (cause) {
      process.kill()
      await process.gone()
      const stderr = await readFile(join(spec.dir, 'stderr'), 'utf8').catch(() => '')
      throw new VmDidNotStart(stderr.trim().split('\n').slice(-3).join(' · ') || String(cause), { cause })
    }
  }

  /** As `start`, and then what `fill` makes of it; one that cannot be filled is ended. */
  static async startFilled(spec: VmSpec, fill: (vm: MicroVm) => Promise<unknown>): Promise<MicroVm> {
    const vm = await MicroVm.start(spec)
    try {
      await fill(vm)
      return vm
    } catch (error) {
      await vm.kill()
      throw error
    }
  }

  /** Takes over a QEMU that an earlier agent started; throws if it does not answer. */
  static adopt(dir: string, process: Launched): Promise<MicroVm> {
    return MicroVm.#connect(dir, process)
  }

  static async #connect(dir: string, process: Launched, logContinues = false): Promise<MicroVm> {
    const sockets = socketPaths(dir)
    const qmp = await Qmp.connect(sockets.qmp, 15_000)
    const hmp = await Hmp.connect(sockets.hmp)
    const guest = await GuestChannel.connect(
      { ctl: sockets.ctl, log: sockets.log },
      { deadlineMs: 5_000, logContinues },
    )
    return new MicroVm(dir, process, { qmp, hmp, guest })
  }

  /** Kills QEMU; nothing of the guest survives. Resolves once the process is gone, and its tap and disks are free. */
  async kill() {
    this.process.kill()
    this.qmp.close()
    this.hmp.close()
    await this.guest[Symbol.asyncDispose]()
    await this.process.gone()
  }
}

const socketPaths = (dir: string) => ({
  qmp: join(dir, 'qmp'),
  hmp: join(dir, 'hmp'),
  ctl: join(dir, 'ctl'),
  log: join(dir, 'log'),
})

async function launchQemu({ dir, uid, cgroups, accelerator, files, sealedRam, tap, args }: VmSpec): Promise<Launched> {
  const sockets = socketPaths(dir)
  return launch({
    dir,
    jail: jailFiles(),
    uid,
    cgroups,
    kvm: accelerator === 'kvm',
    files: [
      { fd: descriptors.console, mode: 'w', path: join(dir, 'console') },
      ...Object.entries(files).map(([name, file]) => ({ fd: descriptors[name as keyof typeof files], ...file })),
    ],
    memfds: sealedRam ? [{ fd: descriptors.ram, path: sealedRam }] : [],
    listens: [
      { fd: descriptors.qmp, path: sockets.qmp },
      { fd: descriptors.hmp, path: sockets.hmp },
      { fd: descriptors.ctl, path: sockets.ctl },
      { fd: descriptors.log, path: sockets.log },
    ],
    taps: [{ fd: descriptors.tap, name: tap }],
    command: ['/qemu', ...args],
  })
}
