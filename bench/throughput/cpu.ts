import { readFileSync } from 'node:fs'

/** Linux counts in ticks of 10 ms, whatever the kernel's own clock. */
const tickMs = 10

/** CPU time that a process has used so far, ms: fields 14 and 15 of proc_pid_stat(5). */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * tickMs
}
