import http from 'node:http'
import { get, type Reply } from '../../test/harness/cloud.ts'

/** One request as its client saw it; ms since the epoch. */
export interface Asked {
  beganAt: number
  endedAt: number
  /** Which release answered, as the edge says; 0: none. */
  release: number
  /** Absent: answered with 200. */
  failure?: string
}

/** Longer than any deadline of an edge: who waits so long was forgotten. */
const patienceMs = 60_000
const keptConnections = 8

/**
 * Users who ask on time, however long the answers take: two of three on connections that they keep, the others each on
 * a new one; every fourth with a POST, which no edge repeats.
 */
export class Traffic {
  readonly asked: Asked[] = []
  readonly #timer: NodeJS.Timeout
  readonly #open = new Set<Promise<void>>()
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: keptConnections })
  #turn = 0

  constructor(port: number, app: string, perSecond: number) {
    this.#timer = setInterval(() => this.#ask(port, app, this.#turn++), 1_000 / perSecond)
  }

  /** Resolves when all that was asked has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all(this.#open)
    this.#agent.destroy()
  }

  #ask(port: number, app: string, turn: number): void {
    const beganAt = Date.now()
    const request = get(port, app, '/', {
      method: turn % 4 === 3 ? 'POST' : 'GET',
      agent: turn % 3 === 0 ? false : this.#agent,
      headers: { 'little-timing': '1' },
      signal: AbortSignal.timeout(patienceMs),
    })
    const noted = request
      .then(outcome, (error: NodeJS.ErrnoException) => ({ release: 0, failure: error.code ?? error.message }))
      .then((end) => {
        this.asked.push({ beganAt, endedAt: Date.now(), ...end })
        this.#open.delete(noted)
      })
    this.#open.add(noted)
  }
}

function outcome({ status, headers, body }: Reply): { release: number; failure?: string } {
  const release = Number(headers['little-release'] ?? 0)
  return status === 200 ? { release } : { release, failure: `${status} ${body.trim().slice(0, 300)}` }
}
