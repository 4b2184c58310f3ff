import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { LittleError } from '../../core/errors.ts'
import { removeRunFile, writeRunFile } from '../../core/run-files.ts'
import { MIB } from '../../core/units.ts'
import { startTimeOf } from '../../vm/process.ts'

const longestBackOffMs = 5_000
/** A role that ran this long has not crashed at once. */
const steadyMs = 10_000
const stopGraceMs = 20_000
const logKeptBytes = 32 * MIB

export interface RoleSpec {
  name: string
  command: string
  args: string[]
  /** It tells by itself that it is ready (process.send); otherwise `isReady` is asked. */
  isReady?: () => Promise<void>
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
  #exited: Promise<void> = Promise.resolve()
  #stopping = false
  #restarts = 0

  constructor(spec: RoleSpec, dataDir: string) {
    this.spec = spec
    this.#dataDir = dataDir
    this.#log = join(dataDir, 'log', `${spec.name}.log`)
  }

  /** Resolves when it is ready; throws RoleDidNotStart. */
  async start(deadlineMs: number): Promise<void> {
    const ready = this.#spawn()
    const late = delay(deadlineMs, undefined, { ref: false }).then(() => {
      throw new RoleDidNotStart(this.spec.name, `it was not ready within ${deadlineMs / 1000} s`, this.#log)
    })
    const died = this.#exited.then(() => {
      throw new RoleDidNotStart(this.spec.name, 'it ended at once', this.#log)
    })
    died.catch(() => {})
    await Promise.race([ready, late, died])
    this.#write('ready')
    void this.#keepAlive()
  }

  async stop() {
    this.#stopping = true
    this.#child?.kill('SIGTERM')
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), stopGraceMs)
    await this.#exited
    clearTimeout(timer)
    removeRunFile(this.#dataDir, this.spec.name)
  }

  async #keepAlive() {
    let begun = performance.now()
    let quickEnds = 0
    for (;;) {
      await this.#exited
      if (this.#stopping) return
      quickEnds = performance.now() - begun > steadyMs ? 0 : quickEnds + 1
      this.#restarts++
      await delay(quickEnds === 0 ? 0 : Math.min(longestBackOffMs, 100 * 2 ** quickEnds))
      if (this.#stopping) return
      begun = performance.now()
      this.#spawn().then(
        () => this.#write('ready'),
        () => {},
      )
      this.#write('restarting')
    }
  }

  #spawn(): Promise<void> {
    mkdirSync(dirname(this.#log), { recursive: true, mode: 0o700 })
    rotate(this.#log)
    const log = openSync(this.#log, 'a', 0o600)
    const child = spawn(this.spec.command, this.spec.args, { stdio: ['ignore', log, log, 'ipc'] })
    closeSync(log)
    this.#child = child
    this.#exited = new Promise((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()))
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
