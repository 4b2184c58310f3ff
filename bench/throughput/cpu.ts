import { readdirSync, readFileSync } from 'node:fs'

/** CPU time that all threads of a process have used so far, ms; threads that have ended are not counted. */
export function cpuMs(pid: number): number {
  let ns = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0])
    } catch {
      // it ended meanwhile
    }
  }
  return ns / 1e6
}
