import { get } from '../../test/harness/cloud.ts'

/** `running`: asked so often that its instance never sleeps; `wakes`: so seldom that each request is a new wake. */
export type Kind = 'running' | 'wakes'

/** One request as its client saw it; ms since the epoch. */
export interface Asked {
  app: string
  kind: Kind
  port: number
  beganAt: number
  endedAt: number
  /** Absent: answered with 200. */
  failure?: string
}

export interface Flow {
  app: string
  kind: Kind
  everyMs: number
  /** Asked in turn, and every third time with a POST: that is never repeated by an edge. */
  paths: string[]
}

/** Longer than any deadline of an edge: who waits so long was forgotten. */
const patienceMs = 60_000

/** Users who ask on time, however long the answers take; through each edge in turn, each on a connection of its own. */
export class Traffic {
  readonly asked: Asked[] = []
  readonly #timers: NodeJS.Timeout[] = []
  readonly #open = new Set<Promise<void>>()
  readonly #ports: number[]

  constructor(flows: Flow[], ports: number[]) {
    this.#ports = ports
    for (const flow of flows) {
      let turn = 0
      this.#timers.push(setInterval(() => this.#ask(flow, turn++), flow.everyMs))
    }
  }

  /** Resolves when all that was asked has ended. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await Promise.all(this.#open)
  }

  #ask({ app, kind, paths }: Flow, turn: number): void {
    const port = this.#ports[turn % this.#ports.length]!
    const method = turn % 3 === 2 ? 'POST' : 'GET'
    const beganAt = Date.now()
    const path = paths[turn % paths.length]!
    const over = get(port, app, path, { method, signal: AbortSignal.timeout(patienceMs) }).then(
      ({ status, body }) => (status === 200 ? undefined : `${status} ${body.trim().slice(0, 200)}`),
      (error: NodeJS.ErrnoException) => error.code ?? error.message,
    )
    const noted = over.then((failure) => {
      this.asked.push({ app, kind, port, beganAt, endedAt: Date.now(), ...(failure && { failure }) })
      this.#open.delete(noted)
    })
    this.#open.add(noted)
  }
}
