import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { LittleError } from '../../core/errors.ts'
import { removeRunFile, writeRunFile } from '../../core/run-files.ts'
import { MIB } from '../../core/units.ts'
import { startTimeOf } from '../../vm/process.ts'

const longestBackOffMs = 5_000
const stopGraceMs = 20_000
const logKeptBytes = 32 * MIB

export interface RoleSpec {
  name: string
  command: string
  args: string[]
  /** It tells by itself that it is ready (process.send); otherwise `isReady` is asked. */
  isReady?: () => Promise<void>
  /** A role that is not ready by then hangs; once it has been ready, it is then killed and started again. */
  readyWithinMs: number
}

export class RoleDidNotStart extends LittleError {
  readonly code = 'up.role_did_not_start'
  readonly status = 500
  readonly hint: string
  constructor(role: string, reason: string, log: string) {
    super(`${role} did not start: ${reason}`)
    this.hint = `Its log says more: ${log}`
  }
}

/** One process of the cloud, kept alive: whenever it ends without having been told to, it is started again. */
export class Role {
  readonly spec: RoleSpec
  readonly #dataDir: string
  readonly #log: string
  #child: ChildProcess | undefined
  /** With the exit code; undefined: ended by a signal. */
  #exited: Promise<number | undefined> = Promise.resolve(undefined)
  #stopping = false
  #wasReady = false
  #restarts = 0

  constructor(spec: RoleSpec, dataDir: string) {
    this.spec = spec
    this.#dataDir = dataDir
    this.#log = join(dataDir, 'log', `${spec.name}.log`)
  }

  /** Resolves when it is ready; throws RoleDidNotStart. */
  async start(): Promise<void> {
    await this.#readyOrNot(this.#spawn())
    this.#isReady()
    void this.#keepAlive()
  }

  /** Ends it in order; as whatever ends without having been told to, it is started again. */
  restart() {
    this.#child?.kill('SIGTERM')
  }

  /** It is not started again from now on. */
  callOff() {
    this.#stopping = true
  }

  /** Resolves when it has ended; false: not by itself, or with a failure, so that it may have left things behind. */
  async stop(): Promise<boolean> {
    this.callOff()
    this.#child?.kill('SIGTERM')
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), stopGraceMs)
    const code = await this.#exited
    clearTimeout(timer)
    removeRunFile(this.#dataDir, this.spec.name)
    return code === 0
  }

  async #readyOrNot(ready: Promise<void>): Promise<void> {
    const { name, readyWithinMs } = this.spec
    const settled = new AbortController()
    const late = delay(readyWithinMs, undefined, { signal: settled.signal }).then(() => {
      throw new RoleDidNotStart(name, `it was not ready within ${readyWithinMs / 1000} s`, this.#log)
    })
    late.catch(() => {})
    const died = this.#exited.then(() => {
      throw new RoleDidNotStart(name, 'it ended at once', this.#log)
    })
    died.catch(() => {})
    try {
      await Promise.race([ready, late, died])
    } finally {
      settled.abort()
    }
  }

  async #keepAlive() {
    let failedStarts = 0
    for (;;) {
      await this.#exited
      if (this.#stopping) return
      failedStarts = this.#wasReady ? 0 : failedStarts + 1
      this.#restarts++
      await delay(failedStarts === 0 ? 0 : Math.min(longestBackOffMs, 100 * 2 ** failedStarts))
      if (this.#stopping) return
      const ready = this.#readyOrNot(this.#spawn())
      const child = this.#child
      ready.then(
        () => this.#isReady(),
        () => child?.kill('SIGKILL'), // it hangs; one that has ended hears nothing of it
      )
      this.#write('restarting')
    }
  }

  #isReady() {
    this.#wasReady = true
    this.#write('ready')
  }

  #spawn(): Promise<void> {
    this.#wasReady = false
    mkdirSync(dirname(this.#log), { recursive: true, mode: 0o700 })
    rotate(this.#log)
    const log = openSync(this.#log, 'a', 0o600)
    // A group of its own: a terminal's Ctrl-C goes to the supervisor alone, which ends its roles in order.
    const options = { stdio: ['ignore', log, log, 'ipc'], detached: true } satisfies SpawnOptions
    const child = spawn(this.spec.command, this.spec.args, options)
    closeSync(log)
    this.#child = child
    this.#exited = new Promise((resolve) =>
      child.once('exit', (code) => resolve(code ?? undefined)).once('error', () => resolve(undefined)),
    )
    this.#write('starting')
    if (this.spec.isReady) return this.spec.isReady()
    return new Promise((resolve) => child.once('message', () => resolve()))
  }

  #write(state: 'starting' | 'ready' | 'restarting') {
    const pid = this.#child?.pid
    const startTime = pid === undefined ? undefined : startTimeOf(pid)
    if (pid === undefined || startTime === undefined) return
    const { name: role } = this.spec
    writeRunFile(this.#dataDir, {
      role,
      pid,
      startTime,
      state,
      restarts: this.#restarts,
      since: Date.now(),
      log: this.#log,
    })
  }
}

function rotate(log: string) {
  try {
    if (statSync(log).size > logKeptBytes) renameSync(log, `${log}.1`)
  } catch {
    // there is none yet
  }
}
