import type { GuestChannel } from '../vm/guest.ts'
import type { Instance } from './instance.ts'

/** How the keeper is named that files in the guest are; also in usage records. */
export const stayAwakeKeeper = 'stay-awake'

/** A guest that says nothing before its stop is stopped all the same; its hooks end by themselves after 5 s each. */
const restWithinMs = 12_000

/**
 * Files in the guest's /run/littlecloud/stay-awake keep it awake, from the first one until the folder is empty, for at
 * most `--max-awake`: then they count no more until the folder has been empty. This is a guard against forgotten files,
 * not against a program that wants to run: that one could just as well send itself requests, and pays either way.
 * An agent that adopts an instance counts anew.
 */
export class StayAwake {
  readonly #instance: Instance
  #timer: NodeJS.Timeout | undefined
  #isSpent = false

  constructor(instance: Instance) {
    this.#instance = instance
  }

  /** Hears what the guest of the instance's QEMU process says of its files. */
  follow(guest: GuestChannel): void {
    guest.on('stayAwake', (wanted) => (wanted ? this.#begin() : this.end()))
  }

  /**
   * Before a stop: the guest looks for files and has its sleep hook run. It is asked for its own good, so one that gives no
   * sensible answer has had its turn, too.
   */
  rest(guest: GuestChannel): Promise<void> {
    return guest.rest(this.#isSpent, restWithinMs).catch(() => {})
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#isSpent = false
    this.#instance.release(stayAwakeKeeper)
  }

  #begin(): void {
    if (this.#timer || this.#isSpent) return
    this.#timer = setTimeout(() => this.#spend(), this.#instance.record.maxAwakeMs)
    this.#instance.keep({ id: stayAwakeKeeper }).catch(() => {}) // `broken` tells those who care
  }

  #spend(): void {
    this.#timer = undefined
    this.#isSpent = true
    const { maxAwakeMs } = this.#instance.record
    this.#instance.emit('says', `files kept it awake for ${maxAwakeMs / 1000} s, as long as --max-awake allows`)
    this.#instance.release(stayAwakeKeeper)
  }
}
