import { readFileSync } from 'node:fs'
import { MIB } from '../core/units.ts'

const pageBytes = 4096

/**
 * Memory that is this process' alone, MiB: QEMU itself, translated code, and the pages of RAM that differ from its
 * template's. Some µs, whatever its size: the kernel keeps these counts. 0 if the process has ended.
 */
export function ownMemoryMib(pid: number): number {
  try {
    const [, resident = 0, shared = 0] = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ').map(Number)
    return ((resident - shared) * pageBytes) / MIB
  } catch {
    return 0
  }
}
