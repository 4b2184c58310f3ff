import { readFile } from 'node:fs/promises'
import { KIB, MIB } from '../../runtime/src/core/units.ts'
import { ownPages, ramMapping } from '../../runtime/src/vm/own-pages.ts'
import { totalBytes } from '../../runtime/src/vm/suspended-image.ts'
import { round } from '../statistics.ts'

/** What a QEMU process takes, MiB: with its share of what it shares; alone; and the guest's pages of the latter. */
export interface ProcessMemory {
  pss: number
  own: number
  guest_own: number
}

export async function memoryOf(pid: number): Promise<ProcessMemory> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
  const mib = (name: string) => (Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * KIB) / MIB
  const guest = totalBytes(await ownPages(pid, await ramMapping(pid)))
  return { pss: round(mib('Pss')), own: round(mib('Private_Dirty')), guest_own: round(guest / MIB) }
}
