import { setTimeout as delay } from 'node:timers/promises'
import { JailFailed } from './launch-errors.ts'
import { alive } from './process.ts'

/** What an agent keeps of a process to find it again after its own restart; `startTime` tells later pids apart. */
export interface ProcessIdentity {
  launcherPid: number
  pid: number
  startTime: string
}

/** A command in its jail, started by this agent or by an earlier one. It outlives both. */
export class Launched {
  readonly identity: ProcessIdentity
  readonly #exited: Promise<number> | undefined

  /** Without `exited` (the exit code, 128 + signal): it was started by an earlier agent. */
  constructor(identity: ProcessIdentity, exited?: Promise<number>) {
    this.identity = identity
    this.#exited = exited
  }

  get pid() {
    return this.identity.pid
  }

  get alive() {
    return alive(this.identity.pid, this.identity.startTime)
  }

  /** Ends it at once; the launcher goes with it. Never hits a later process that has the same pid. */
  kill() {
    if (!this.alive) return
    try {
      process.kill(this.pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  /** Resolves once it has ended; with the exit code if this agent started it. Throws after the deadline. */
  async gone(deadlineMs = 10_000): Promise<number | undefined> {
    const until = performance.now() + deadlineMs
    // The kernel tells only a parent of an end. For an adopted process, and in between, it is looked up every 10 ms.
    while (this.alive) {
      if (performance.now() > until) throw new JailFailed(`process ${this.pid} did not end within ${deadlineMs} ms`)
      await Promise.race([this.#exited, delay(10)].filter((one) => one !== undefined))
    }
    return this.#exited
  }
}
