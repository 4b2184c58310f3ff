import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { LittleError } from '../core/errors.ts'
import { MIB } from '../core/units.ts'
import type { Instance } from './instance.ts'

/** Left for what everybody needs: usage records, logs, the messages' store. */
const reservedMib = 2048
/** Of a small disk no more than this part. */
const reservedShare = 0.05
/** Where so many times that is free, nobody's growth is of interest yet, and a thousand disks need not be looked at. */
const watchedFrom = 4
/** Who writes less than this between two looks is not the one that fills the disk. */
const muchMib = 16

export class DiskFilled extends LittleError {
  readonly code = 'app.disk_filled'
  readonly status = 502
  readonly hint = "Write less to the instance's own disk; the operator sees with little doctor how much is left"
  constructor(wroteMib: number, freeMib: number) {
    super(`it wrote ${wroteMib} MiB in a few seconds while this machine's disk has only ${freeMib} MiB left`)
  }
}

interface Disk {
  totalMib: number
  freeMib: number
}

/**
 * Instances' disks grow as they are written, and all of them together may be larger than the machine's. While that is
 * nearly full, the instance that fills it is ended, one at each look; those that merely hold much are left in peace.
 */
export class DiskGuard {
  readonly #disk: () => Promise<Disk>
  #sizesMib = new Map<string, number>()

  constructor(dir: string, disk = () => diskOf(dir)) {
    this.#disk = disk
  }

  async look(instances: readonly (Pick<Instance, 'id' | 'fail'> & { vm: { dir: string } })[]): Promise<void> {
    const { totalMib, freeMib } = await this.#disk()
    const leastMib = Math.min(reservedMib, totalMib * reservedShare)
    const before = this.#sizesMib
    const sizes = freeMib < watchedFrom * leastMib ? await sizesOf(instances) : new Map<string, number>()
    this.#sizesMib = sizes
    if (freeMib >= leastMib) return
    const grown = instances
      .map((instance) => ({ instance, mib: (sizes.get(instance.id) ?? 0) - (before.get(instance.id) ?? 0) }))
      .filter(({ instance, mib }) => before.has(instance.id) && mib >= muchMib)
      .sort((a, b) => b.mib - a.mib)
    grown[0]?.instance.fail(new DiskFilled(Math.round(grown[0].mib), Math.round(freeMib)))
  }
}

async function diskOf(dir: string): Promise<Disk> {
  const { bsize, blocks, bavail } = await statfs(dir)
  return { totalMib: (blocks * bsize) / MIB, freeMib: (bavail * bsize) / MIB }
}

/** What they occupy, not what they may grow to. */
async function sizesOf(instances: readonly { id: string; vm: { dir: string } }[]): Promise<Map<string, number>> {
  const sizes = await Promise.all(
    instances.map(async ({ id, vm }): Promise<[string, number]> => {
      const found = await stat(join(vm.dir, 'scratch')).catch(() => undefined) // it is just being taken away
      return [id, ((found?.blocks ?? 0) * 512) / MIB]
    }),
  )
  return new Map(sizes)
}
