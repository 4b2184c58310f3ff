import { readdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { alive, startTimeOf } from '../vm/process.ts'

/** The parent of a microVM's process: it lives exactly as long, and names the microVM's folder in its arguments. */
export interface Launcher {
  pid: number
  startTime: string
  dir: string
}

/**
 * A process is first its parent's copy, and becomes another a moment later: the agent's a launcher, a launcher's the
 * microVM. So each answer is asked for once more: `young` is not known to be something else yet, nor a launcher `sure`.
 */
type Seen = (Launcher & { sure: boolean }) | 'young' | 'other'

/** So many processes are looked at before requests get their turn: some 20 µs each. */
const atOnce = 32
/** Every process is asked anew once in so many looks, for its number may have gone to another one unseen. */
const looksPerRound = 64

/**
 * All launchers below a folder, whoever started them. What was seen is remembered: with thousands of processes on the
 * machine a look costs little more than one listing of /proc.
 */
export class Launchers {
  readonly #below: string
  #seen = new Map<number, Seen>()
  #looks = 0

  constructor(below: string) {
    this.#below = `${below}/`
  }

  async look(): Promise<Launcher[]> {
    const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
    const seen = new Map<number, Seen>()
    const round = this.#looks++ % looksPerRound
    for (const [index, pid] of pids.entries()) {
      if (index % atOnce === atOnce - 1) await turn()
      seen.set(pid, this.#lookAt(pid, pid % looksPerRound === round ? undefined : this.#seen.get(pid)))
    }
    this.#seen = seen
    return [...seen.values()].filter((one) => typeof one === 'object')
  }

  #lookAt(pid: number, before: Seen | undefined): Seen {
    if (before === 'other') return before
    if (typeof before === 'object' && before.sure && alive(pid, before.startTime)) return before
    const found = launcher(pid)
    if (found?.dir.startsWith(this.#below)) {
      return { ...found, sure: typeof before === 'object' && before.startTime === found.startTime }
    }
    return before === 'young' ? 'other' : 'young'
  }
}

function launcher(pid: number): Launcher | undefined {
  const startTime = startTimeOf(pid)
  if (startTime === undefined) return undefined
  const args = commandOf(pid)
  const at = args.indexOf('--pidfile')
  return at > 0 && args[at + 1] ? { pid, startTime, dir: dirname(args[at + 1]!) } : undefined
}

function commandOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return [] // ended meanwhile
  }
}

/** Ends the launcher, and its microVM with it. Never hits a later process that has the same pid. */
export function endLauncher({ pid, startTime }: Launcher): void {
  if (alive(pid, startTime)) process.kill(pid, 'SIGKILL')
}
