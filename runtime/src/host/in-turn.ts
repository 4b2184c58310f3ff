/** Goes around a collection in about as many steps as asked for, whatever its size, and begins anew with what is there then. */
export class InTurn<T> {
  readonly #all: () => Iterable<T>
  readonly #steps: number
  #round: T[] = []
  #each = 1

  constructor(all: () => Iterable<T>, steps: number) {
    this.#all = all
    this.#steps = steps
  }

  /** The next few; none only if there are none. */
  next(): T[] {
    if (this.#round.length === 0) {
      this.#round = [...this.#all()]
      this.#each = Math.ceil(this.#round.length / this.#steps)
    }
    return this.#round.splice(0, this.#each)
  }
}
