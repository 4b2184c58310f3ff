import { closeSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { createMemfd } from './memfd.ts'
import { MicroVm, type VmSpec } from './micro-vm.ts'
import { ramMapping } from './own-pages.ts'
import { restoreState } from './snapshot.ts'
import { type ImageSecret, SuspendedImage } from './suspended-image.ts'

/** What the parts of a resume took, ms. */
export interface ResumeTiming {
  /** Until a QEMU process was there. */
  processMs: number
  ramMs: number
  stateMs: number
}

type What = ImageSecret & { from: string; spec: VmSpec }

/**
 * Makes a paused microVM of what `suspendVm` wrote: `cont` is all it still needs. Its scratch file is made anew at
 * `spec.files.scratch`. The image is used up when this resolves; before that nothing has run, so that after a failure
 * (also of this whole process) it can be tried again. Throws SuspendedImageCorrupt or SuspendedImageDoesNotFit.
 */
export async function resumeVm(what: What): Promise<{ vm: MicroVm; timing: ResumeTiming }> {
  const resumed = await copyVm(what)
  try {
    await rm(what.from)
  } catch (error) {
    await resumed.vm.kill()
    await rm(what.spec.files.scratch!.path, { force: true })
    throw error
  }
  return resumed
}

/** As `resumeVm`, but the image stays: for warm clones alone, whose owner asked for several of one memory. */
export async function copyVm({ from, spec, ...secret }: What): Promise<{ vm: MicroVm; timing: ResumeTiming }> {
  const begun = performance.now()
  const scratchPath = spec.files.scratch!.path
  await using image = await SuspendedImage.open(from, secret)
  try {
    await using scratch = await open(scratchPath, 'w', 0o600)
    const { scratchBytes, logContinues } = image.directory
    await scratch.truncate(scratchBytes)
    // QEMU opens the disk at its start, and reads of it only when the guest runs.
    const filling = image.restore('scratch', { file: scratch, base: 0 })
    filling.catch(() => {}) // thrown below, if it comes to that
    const timing = { processMs: 0, ramMs: 0, stateMs: 0 }
    const fill = async (vm: MicroVm) => {
      await filling
      const started = performance.now()
      Object.assign(timing, { processMs: started - begun }, await restoreInto(vm, image, started))
    }
    const vm = await MicroVm.startFilled({ ...spec, logContinues }, fill).finally(() => filling)
    return { vm, timing }
  } catch (error) {
    await rm(scratchPath, { force: true })
    throw error
  }
}

async function restoreInto({ process, qmp }: MicroVm, image: SuspendedImage, begun: number) {
  const memfd = createMemfd('state')
  try {
    await using state = await open(`/proc/self/fd/${memfd}`, 'r+')
    await using ram = await open(`/proc/${process.pid}/mem`, 'r+')
    const { at } = await ramMapping(process.pid)
    await Promise.all([image.restore('ram', { file: ram, base: at }), image.restore('state', { file: state, base: 0 })])
    const filled = performance.now()
    await restoreState(qmp, memfd) // reads the guest's queues, so RAM comes first
    return { ramMs: filled - begun, stateMs: performance.now() - filled }
  } finally {
    closeSync(memfd)
  }
}
