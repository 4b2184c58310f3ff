import { readFileSync } from 'node:fs'

/** When the process started, in clock ticks after boot; undefined if there is none, or only its unreaped remains. */
export function startTimeOf(pid: number): string | undefined {
  const text = readStat(pid)
  if (text === undefined) return undefined
  // the second field is the program's name in brackets, and a name may hold spaces and brackets: start after the last
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
}

/** Whether exactly this process still runs: a later one with the same pid has another start time. */
export const alive = (pid: number, startTime: string): boolean => startTimeOf(pid) === startTime

function readStat(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined // ended, also between the opening and the reading
  }
}
