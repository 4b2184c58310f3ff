/** A request that waits for a slot. */
export interface Waiter<Slot> {
  /** `woken`: the slot is of an instance that was asked for because of those who wait. */
  admitted(slot: Slot, woken: boolean): void
  refused(error: Error): void
}

interface Seat<Slot> {
  waiter: Waiter<Slot>
  deadline: NodeJS.Timeout
}

/** Requests that wait for a slot, in their order: bounded, and each with its own deadline. */
export class WaitingRoom<Slot> {
  #seats = new Map<Waiter<Slot>, Seat<Slot>>()
  readonly depth: number

  constructor(depth: number) {
    this.depth = depth
  }

  get size(): number {
    return this.#seats.size
  }

  get full(): boolean {
    return this.#seats.size >= this.depth
  }

  /** `tooLate` makes the error for a waiter whose deadline passes. */
  enter(waiter: Waiter<Slot>, deadlineMs: number, tooLate: () => Error): void {
    const deadline = setTimeout(() => {
      this.#seats.delete(waiter)
      waiter.refused(tooLate())
    }, deadlineMs)
    this.#seats.set(waiter, { waiter, deadline })
  }

  /** The waiter gave up by itself. */
  leave(waiter: Waiter<Slot>): void {
    const seat = this.#seats.get(waiter)
    if (!seat) return
    clearTimeout(seat.deadline)
    this.#seats.delete(waiter)
  }

  /** Who came first, taken out of the room. */
  next(): Waiter<Slot> | undefined {
    for (const seat of this.#seats.values()) {
      this.leave(seat.waiter)
      return seat.waiter
    }
    return undefined
  }

  /** Sends everybody away for the same reason. */
  refuseAll(error: Error): void {
    for (let waiter = this.next(); waiter; waiter = this.next()) waiter.refused(error)
  }
}
