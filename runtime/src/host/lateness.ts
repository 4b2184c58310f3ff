import { LittleError } from '../core/errors.ts'

/** Some ms are usual, some hundred on a machine under heavy load. A request has time for another instance after it. */
const lateAfterMs = 5_000

export class WakeLate extends LittleError {
  readonly code = 'hold.starting' // what an edge waits on: another instance is being started
  readonly status = 503
  readonly hint = 'Another instance is started; if it happens again, little doctor shows how loaded the machine is'
  constructor(id: string) {
    super(`instance ${id} did not wake within ${lateAfterMs / 1000} s`)
  }
}

/** Tells those who cannot wait for ever that a wake takes too long. The wake itself goes on: it may be only slow. */
export class Lateness {
  isLate = false
  readonly #id: string
  readonly #impatient = new Set<(reason: Error) => void>()
  #timer: NodeJS.Timeout | undefined

  constructor(id: string) {
    this.#id = id
  }

  begin(onLate: () => void): void {
    // If this process itself was stopped, what the guest said meanwhile is read before it counts as late.
    const late = () => setImmediate(() => this.#timer && this.#late(onLate))
    this.#timer = setTimeout(late, lateAfterMs)
  }

  over(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.isLate = false
  }

  /** The outcome, or WakeLate as soon as the wake is late. */
  async orLate<T>(outcome: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>()
    if (this.isLate) reject(new WakeLate(this.#id))
    this.#impatient.add(reject)
    try {
      return await Promise.race([outcome, promise])
    } finally {
      this.#impatient.delete(reject)
    }
  }

  #late(onLate: () => void): void {
    this.isLate = true
    for (const reject of this.#impatient) reject(new WakeLate(this.#id))
    onLate()
  }
}
