import { LittleError } from '../core/errors.ts'
import { freeDiskMib } from '../core/free-disk.ts'
import type { Instance } from './instance.ts'
import type { HostTools } from './tools.ts'

/** With less than this one that goes on would only stop again. */
const roomMib = 64
const lookEveryMs = 1_000
const keeper = 'disk'

export class DiskFullOnHost extends LittleError {
  readonly code = 'instance.disk_full'
  readonly status = 503
  readonly hint = 'It goes on by itself, with all it had, once there is room: little doctor shows how much is left'
  constructor(id: string) {
    super(`instance ${id} stands still: it has something to write, and the disk of this machine is full`)
  }
}

type Stalled = Pick<Instance, 'id' | 'state' | 'vm' | 'eachVm' | 'keep' | 'release' | 'emit' | 'on'>

/**
 * QEMU stops a guest whose write finds the machine's disk full, and repeats that very write when the guest goes on: its
 * files are never damaged, and it is not its fault. So it is neither ended nor put to sleep, and asked nothing new, until
 * there is room. Nothing is billed meanwhile. Who fills a disk is the business of disk-guard.ts.
 */
export class DiskStalls<One extends Stalled = Instance> {
  readonly #stalled = new Map<One, DiskFullOnHost>()
  readonly #log: HostTools['log']
  readonly #onStall: (instance: One) => void
  readonly #freeMib: () => Promise<number>
  #timer: NodeJS.Timeout | undefined

  /** `onStall`: nobody shall send it anything new. */
  constructor(
    { instancesDir, log }: Pick<HostTools, 'instancesDir' | 'log'>,
    onStall: (instance: One) => void,
    freeMib = () => freeDiskMib(instancesDir),
  ) {
    this.#log = log
    this.#onStall = onStall
    this.#freeMib = freeMib
  }

  /** Those of them that do not stand still; throws why, if all do. */
  going(instances: One[]): One[] {
    const going = instances.filter((instance) => !this.#stalled.has(instance))
    const [reason] = instances.flatMap((instance) => this.#stalled.get(instance) ?? [])
    if (reason && going.length === 0) throw reason
    return going
  }

  follow(instance: One): void {
    instance.eachVm(({ qmp }) =>
      qmp.on('event', ({ event, data }) => {
        if (event === 'BLOCK_IO_ERROR' && data.action === 'stop') this.#begin(instance)
      }),
    )
    instance.on('broken', () => this.#stalled.delete(instance))
  }

  #begin(instance: One): void {
    if (this.#stalled.has(instance)) return
    const reason = new DiskFullOnHost(instance.id)
    this.#stalled.set(instance, reason)
    // In the middle of a write it cannot go to sleep. One that was about to does so once it goes on, at its next wake.
    if (instance.state === 'running') instance.keep({ id: keeper }).catch(() => {}) // `broken` tells
    instance.emit('says', reason.message)
    this.#log.error({ instance: instance.id }, reason.message)
    this.#onStall(instance)
    this.#timer ??= setTimeout(this.#look, lookEveryMs).unref()
  }

  #look = async (): Promise<void> => {
    const freeMib = await this.#freeMib().catch(() => 0)
    if (freeMib >= roomMib) for (const instance of this.#stalled.keys()) this.#goOn(instance)
    this.#timer = this.#stalled.size > 0 ? setTimeout(this.#look, lookEveryMs).unref() : undefined
  }

  #goOn(instance: One): void {
    this.#stalled.delete(instance)
    if (instance.state === 'running') {
      instance.vm.qmp.send('cont')
      instance.vm.guest.setClock().catch(() => {}) // it is asked again at its next wake, where that matters
    }
    instance.emit('says', 'there is room on the disk again, and it goes on')
    instance.release(keeper)
  }
}
