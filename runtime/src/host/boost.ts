import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../core/log.ts'
import { makePipe } from './pipe.ts'

/** The application key that means "take it back", in jail/boost.c. */
const takeBack = 0xffffffff
/** It starts in some ms; a machine under load takes longer, and a start without it works as well. */
const answersWithinMs = 10_000

/**
 * Real-time priority for waking microVMs, through a helper that outlives this agent by the time it needs to take
 * everything back. What it bounds, and why, is at the head of jail/boost.c.
 */
export class Boost {
  readonly #child: ChildProcess
  readonly #pipe: number
  readonly #command = new Uint32Array(2)
  readonly #bytes = new Uint8Array(this.#command.buffer)
  #open = true
  /** For the metrics. */
  raised = 0

  private constructor(child: ChildProcess, pipe: number) {
    this.#child = child
    this.#pipe = pipe
  }

  /** Undefined where the machine refuses real-time priority: then wakes take longer on a busy machine, and the log says so. */
  static async start(path: string, log: Logger): Promise<Boost | undefined> {
    const pipe = makePipe()
    const child = spawn(path, [], { stdio: [pipe.read, 'pipe', 'inherit'], detached: true, env: {} })
    closeSync(pipe.read)
    const lines = createInterface({ input: child.stdout! })
    const first = Promise.race([
      once(lines, 'line').then(([line]) => String(line)),
      once(child, 'exit').then(([code, signal]) => `refused: it ended with ${code ?? signal}`),
      delay(answersWithinMs, 'refused: it gave no answer', { ref: false }),
    ])
    const answer = await first.catch((error: Error) => `refused: ${error.message}`)
    if (answer !== 'ready') {
      closeSync(pipe.write)
      log.warn({ reason: answer }, 'no real-time priority for wakes: they take longer while this machine is busy')
      return undefined
    }
    lines.on('line', (line) => log.warn({ reason: line }, 'the booster has a problem'))
    const boost = new Boost(child, pipe.write)
    child.on('exit', (code, signal) => {
      if (boost.#open) log.error({ code, signal }, 'the booster ended: wakes go on without real-time priority')
      boost.close()
    })
    child.unref()
    ;(child.stdout as unknown as { unref(): void }).unref()
    return boost
  }

  /** On the wake path: one write of 8 bytes. Does nothing, rather than wait, when it cannot be had. */
  raise(pid: number, appKey: number): void {
    this.raised += 1
    this.#send(pid, appKey === takeBack ? 0 : appKey)
  }

  /** Takes the process back at once, whoever raised it: for an agent that adopts. */
  reset(pid: number): void {
    this.#send(pid, takeBack)
  }

  /** The helper takes everything back, and ends. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    closeSync(this.#pipe)
  }

  get pid() {
    return this.#child.pid
  }

  #send(pid: number, key: number) {
    if (!this.#open) return
    this.#command[0] = pid
    this.#command[1] = key
    try {
      writeSync(this.#pipe, this.#bytes)
    } catch {
      // full (EAGAIN) or its reader just ended (EPIPE): a wake without priority is better than one that waits
    }
  }
}

/** Real-time priority is rationed per app, not per instance: a small number for the app's name. */
export function boostKey(app: string): number {
  let hash = 0
  for (const character of app) hash = (hash * 31 + character.charCodeAt(0)) >>> 0
  return hash
}
