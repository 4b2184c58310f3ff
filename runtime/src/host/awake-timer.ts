import type { State } from '../model/instance.ts'

/** Nothing happens so soon after a wake: the request that woke it comes first. */
const afterWakeMs = 250

/** What it needs of an instance. */
interface Sleeper {
  readonly state: State
  on(event: 'changed', changed: () => void): unknown
  off(event: 'changed', changed: () => void): unknown
}

/** A countdown in running time: while the instance sleeps it stands still. One at a time. */
export class AwakeTimer implements Disposable {
  readonly #instance: Sleeper
  #leftMs = 0
  #runsSince = 0
  #timer: NodeJS.Timeout | undefined
  #done: (() => void) | undefined

  constructor(instance: Sleeper) {
    this.#instance = instance
    instance.on('changed', this.#changed)
  }

  /** Resolves after that much running time, or never if it is disposed of before. */
  wait(ms: number): Promise<void> {
    this.#pause()
    this.#leftMs = ms
    return new Promise((resolve) => {
      this.#done = resolve
      this.#changed()
    })
  }

  #changed = (): void => {
    if (this.#instance.state !== 'running') this.#pause()
    else if (this.#done && !this.#timer) {
      this.#runsSince = performance.now()
      this.#timer = setTimeout(this.#over, Math.max(afterWakeMs, this.#leftMs))
    }
  }

  #pause(): void {
    if (!this.#timer) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#leftMs -= performance.now() - this.#runsSince
  }

  #over = (): void => {
    this.#timer = undefined
    const done = this.#done
    this.#done = undefined
    done?.()
  };

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#done = undefined
    this.#instance.off('changed', this.#changed)
  }
}
