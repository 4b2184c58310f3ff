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
    await end(resumed.vm)
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
    const filled = image.restore('scratch', { file: scratch, base: 0 })
    const [vm] = await bothOrNone(MicroVm.start({ ...spec, logContinues }), filled)
    const started = performance.now()
    try {
      const timing = await restoreInto(vm, image, started)
      return { vm, timing: { processMs: started - begun, ...timing } }
    } catch (error) {
      await end(vm)
      throw error
    }
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

/** A microVM that is started while its disk cannot be filled is ended. */
async function bothOrNone<T>(starting: Promise<MicroVm>, filling: Promise<T>): Promise<[MicroVm, T]> {
  const [started, filled] = await Promise.allSettled([starting, filling])
  if (started.status === 'rejected') throw started.reason
  if (filled.status === 'fulfilled') return [started.value, filled.value]
  await end(started.value)
  throw filled.reason
}

async function end(vm: MicroVm) {
  await vm.kill()
  await vm.process.gone()
}
