import { GuestUnreachable } from '../vm/guest-errors.ts'
import type { MicroVm } from '../vm/micro-vm.ts'
import { type Boost, boostKey } from './boost.ts'
import type { Cgroups } from './cgroup.ts'
import { WakeFailed } from './instance-errors.ts'
import type { InstanceRecord } from './record.ts'
import type { Wake } from './wake.ts'
import { whyEnded } from './why-ended.ts'

/** A guest that neither sets its clock nor stops for so long is broken, and its memory is given up: some ms are usual. */
const brokenAfterMs = 30_000

/** A guest whose program has ended says so and powers off: what it said last names the reason, and may be on its way. */
const lastWordsMs = 150

/** How an instance's microVM is set going and stopped: what it is told, and what it answers. */
export class Motion {
  readonly #record: InstanceRecord
  readonly #boost: Boost | undefined
  readonly #boostKey: number
  readonly #cgroups: Pick<Cgroups, 'outOfMemory'>
  #resumed: (() => void) | undefined
  #stopTimer: NodeJS.Timeout | undefined

  constructor(record: InstanceRecord, boost: Boost | undefined, cgroups: Pick<Cgroups, 'outOfMemory'>) {
    this.#record = record
    this.#boost = boost
    this.#boostKey = boostKey(`${record.team}.${record.app}`)
    this.#cgroups = cgroups
  }

  /** `onEnd` hears why, when its process has ended. */
  watch(vm: MicroVm, onEnd: (why: Error) => void): void {
    vm.qmp.on('closed', () => {
      setTimeout(async () => onEnd(await this.#whyEnded(vm)), lastWordsMs)
    })
  }

  /** Lets a restored guest run for the first time. */
  async begin(vm: MicroVm): Promise<void> {
    await vm.qmp.execute('cont', undefined, brokenAfterMs)
  }

  /** The wake and nothing but the wake: cont and clock, priority, acknowledged. */
  async wake(vm: MicroVm, from: 'parked' | 'running'): Promise<Omit<Wake, 'from'>> {
    const begun = performance.now()
    let resumeMs = 0
    this.#resumed = () => {
      resumeMs = performance.now() - begun
    }
    if (from === 'parked') vm.hmp.cont()
    else vm.qmp.send('cont') // after the `stop` that is under way there
    const clock = this.setClock(vm)
    this.#boost?.raise(vm.process.pid, this.#boostKey) // after them: its helper may take the core that this runs on
    const clockMs = await clock
    return { totalMs: performance.now() - begun, resumeMs, clockMs }
  }

  /** Throws why it could not be done, as far as that is known. */
  async setClock(vm: MicroVm): Promise<number> {
    try {
      return await vm.guest.setClock(brokenAfterMs)
    } catch (cause) {
      if (cause instanceof GuestUnreachable) throw await this.#whyEnded(vm)
      throw new WakeFailed(this.#record.id, 'its clock was not set in time', { cause })
    }
  }

  /** Stops it for the first time, once it is ready. */
  async park(vm: MicroVm): Promise<void> {
    await vm.qmp.execute('stop', undefined, brokenAfterMs)
  }

  /** `onHang` is called unless `stopped` tells in time that it has stopped. */
  stop(vm: MicroVm, onHang: (error: Error) => void): void {
    vm.qmp.send('stop')
    clearTimeout(this.#stopTimer)
    const hangs = () => onHang(new WakeFailed(this.#record.id, 'its QEMU process does not stop it'))
    this.#stopTimer = setTimeout(hangs, brokenAfterMs)
  }

  /** QEMU says that it runs. */
  resumed(): void {
    this.#resumed?.()
  }

  /** QEMU says that it has stopped, or nobody waits for that any more. */
  stopped(): void {
    clearTimeout(this.#stopTimer)
  }

  #whyEnded({ dir }: MicroVm): Promise<Error> {
    return whyEnded(this.#record, dir, this.#cgroups)
  }
}
