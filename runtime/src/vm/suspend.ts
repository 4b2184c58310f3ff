import { closeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dataExtents } from './extents.ts'
import { createMemfd } from './memfd.ts'
import type { MicroVm } from './micro-vm.ts'
import { ownPages, ramMapping } from './own-pages.ts'
import { saveState } from './snapshot.ts'
import { SuspendFailed } from './suspend-errors.ts'
import { type ImageSecret, totalBytes, writeImage } from './suspended-image.ts'

export interface SuspendedSizes {
  ramBytes: number
  stateBytes: number
  scratchBytes: number
}

/**
 * Writes a parked microVM to the file `into`: device state, the pages of RAM that differ from its template's, and its
 * scratch disk. Encrypted, and no byte of it is on the disk otherwise but the scratch disk itself.
 *
 * The microVM is still there, paused, and nothing of it was changed. Either it is then ended and its scratch file removed, or it
 * goes on (`cont`) and the image is removed: one of the two lives on, never both. Throws SuspendFailed and leaves no file.
 */
export async function suspendVm(
  vm: MicroVm,
  { into, scratch, ...secret }: ImageSecret & { into: string; scratch: string },
): Promise<SuspendedSizes> {
  const { pid } = vm.process
  using _hushed = vm.guest.hush()
  const memfd = createMemfd('state')
  try {
    await saveState(vm.qmp, memfd)
    const mapping = await ramMapping(pid)
    await using state = await open(`/proc/self/fd/${memfd}`)
    await using ram = await open(`/proc/${pid}/mem`)
    await using disk = await open(scratch)
    const { size: scratchBytes } = await disk.stat()
    const directory = {
      scratch: dataExtents(disk.fd, scratchBytes),
      ram: await ownPages(pid, mapping),
      state: [{ at: 0, bytes: (await state.stat()).size }],
      scratchBytes,
      logContinues: vm.guest.logAtBoundary,
    }
    await writeImage(into, secret, directory, {
      scratch: { file: disk, base: 0 },
      ram: { file: ram, base: mapping.at },
      state: { file: state, base: 0 },
    })
    return {
      ramBytes: totalBytes(directory.ram),
      stateBytes: totalBytes(directory.state),
      scratchBytes: totalBytes(directory.scratch),
    }
  } catch (cause) {
    throw new SuspendFailed((cause as Error).message, { cause })
  } finally {
    closeSync(memfd)
  }
}
