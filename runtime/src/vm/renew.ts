import { closeSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { type Extent, inChunks } from './extents.ts'
import { createMemfd } from './memfd.ts'
import { MicroVm, type VmSpec } from './micro-vm.ts'
import { ownPages, ramMapping } from './own-pages.ts'
import { readAt, writeAt } from './read-at.ts'
import { restoreState, saveState } from './snapshot.ts'

const pieceBytes = 1024 * 1024

/**
 * Moves a stopped microVM into a new process with the same folder, disks and tap; it is stopped again then. Under
 * emulation the old one keeps all the code that it ever translated, most of it for the start of the program.
 */
export async function renewVm(old: MicroVm, spec: VmSpec): Promise<MicroVm> {
  using _hushed = old.guest.hush()
  const [stateFd, pagesFd] = [createMemfd('state'), createMemfd('pages')]
  try {
    await using pages = await open(`/proc/self/fd/${pagesFd}`, 'r+')
    await saveState(old.qmp, stateFd)
    const own = await copyOut(old.process.pid, pages)
    const { logAtBoundary: logContinues } = old.guest
    await old.kill()
    return await MicroVm.startFilled({ ...spec, logContinues }, async ({ process, qmp }) => {
      await copyIn(own, pages, process.pid)
      await using state = await open(`/proc/self/fd/${stateFd}`) // from its start: that of QEMU is at its end
      await restoreState(qmp, state.fd)
    })
  } finally {
    closeSync(stateFd)
    closeSync(pagesFd)
  }
}

async function copyOut(pid: number, pages: FileHandle): Promise<Extent[]> {
  const mapping = await ramMapping(pid)
  const own = await ownPages(pid, mapping)
  await using ram = await open(`/proc/${pid}/mem`)
  await copy(own, { file: ram, base: mapping.at }, { file: pages, base: 0 })
  return own
}

async function copyIn(own: Extent[], pages: FileHandle, pid: number) {
  const mapping = await ramMapping(pid)
  await using ram = await open(`/proc/${pid}/mem`, 'r+')
  await copy(own, { file: pages, base: 0 }, { file: ram, base: mapping.at })
}

interface Place {
  file: FileHandle
  base: number
}

async function copy(extents: Extent[], from: Place, to: Place) {
  const buffer = Buffer.alloc(pieceBytes)
  for (const { at, bytes } of inChunks(extents, pieceBytes).flat()) {
    const piece = buffer.subarray(0, bytes)
    await readAt(from.file, piece, from.base + at)
    await writeAt(to.file, piece, to.base + at)
  }
}
