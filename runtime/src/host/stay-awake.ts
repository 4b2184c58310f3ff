import type { GuestChannel } from '../vm/guest.ts'

/** How the keeper is named that files in the guest are; also in usage records. */
export const stayAwakeKeeper = 'stay-awake'

interface Keeping {
  maxAwakeMs: number
  keep(): void
  release(): void
  /** The files have lain there for the longest allowed time. */
  spent(): void
}

/**
 * Files in the guest's /run/littlecloud/stay-awake keep it awake, from the first one until the folder is empty, for at
 * most `maxAwakeMs`: then they count no more until the folder has been empty. This is a guard against forgotten files,
 * not against a program that wants to run: that one could just as well send itself requests, and pays either way.
 * An agent that adopts an instance counts anew.
 */
export class StayAwake {
  readonly #keeping: Keeping
  #timer: NodeJS.Timeout | undefined
  #isSpent = false

  constructor(guest: Pick<GuestChannel, 'on'>, keeping: Keeping) {
    this.#keeping = keeping
    guest.on('stayAwake', (wanted) => (wanted ? this.#begin() : this.end()))
  }

  /** The guest is to be stopped in spite of its files. */
  get isSpent(): boolean {
    return this.#isSpent
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#isSpent = false
    this.#keeping.release()
  }

  #begin(): void {
    if (this.#timer || this.#isSpent) return
    this.#timer = setTimeout(() => this.#spend(), this.#keeping.maxAwakeMs)
    this.#keeping.keep()
  }

  #spend(): void {
    this.#timer = undefined
    this.#isSpent = true
    this.#keeping.spent()
    this.#keeping.release()
  }
}
