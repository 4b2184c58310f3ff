import { readFile } from 'node:fs/promises'
import type { Instance } from './instance.ts'

const pageBytes = 4096
/** Files of /proc that are read at a time: each takes a thread of the pool. */
const atOnce = 4

/**
 * The memory of QEMU processes that is theirs alone, by the state of the instance: resident less shared, so what they
 * have of their template is not in it. From /proc/PID/statm, which costs the kernel some µs; smaps would cost ms each.
 */
export async function ownMemory(instances: readonly Instance[]): Promise<Map<string, number>> {
  const sums = new Map<string, number>()
  const left = instances.values()
  const worker = async () => {
    for (const { state, process } of left) {
      const bytes = process ? await ownBytes(process.pid) : 0
      sums.set(state, (sums.get(state) ?? 0) + bytes)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return sums
}

async function ownBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/statm`, 'utf8').catch(() => '') // it ended just now
  const [, resident = 0, shared = 0] = text.split(' ').map(Number)
  return (resident - shared) * pageBytes
}
