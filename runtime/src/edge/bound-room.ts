import { type ErrorFields, RemoteError } from '../core/errors.ts'
import type { InstanceId, NodeId } from '../core/ids.ts'
import type { Bound } from '../fabric/hold.ts'
import type { Hold } from './hold.ts'
import type { NodeLink } from './node-link.ts'
import { type Waiter, WaitingRoom } from './waiting-room.ts'

/** The memory that a tunnel's far end lives in, and where it is. */
export interface Home extends Bound {
  node: NodeId
}

interface Room {
  home: Home
  waiting: WaitingRoom<Hold>
  /** The acquire that is under way. */
  asked: number | undefined
  again: NodeJS.Timeout | undefined
}

/** `hold.held_already`: the grant is on its way to us, or was lost with a link; then this asks again. */
const againAfterMs = 100

export interface Surroundings {
  link(node: NodeId): NodeLink | undefined
  /** Its answer comes to `admit` or `refused`. */
  acquire(link: NodeLink, only: Bound): number
}

/** Tunnels that wait until the one instance they belong to is awake. They share one ask; no other instance will do. */
export class BoundRoom {
  readonly #rooms = new Map<InstanceId, Room>()
  readonly #around: Surroundings

  constructor(around: Surroundings) {
    this.#around = around
  }

  get empty(): boolean {
    return this.#rooms.size === 0
  }

  wait(home: Home, waiter: Waiter<Hold>, deadlineMs: number, tooLate: () => Error): void {
    let room = this.#rooms.get(home.instance)
    if (!room) {
      room = { home, waiting: new WaitingRoom<Hold>(Number.POSITIVE_INFINITY), asked: undefined, again: undefined }
      this.#rooms.set(home.instance, room)
    }
    room.waiting.enter(waiter, deadlineMs, () => {
      this.#closeIfEmpty(room)
      return tooLate()
    })
    this.#ask(room)
  }

  leave(home: Home, waiter: Waiter<Hold>): void {
    const room = this.#rooms.get(home.instance)
    room?.waiting.leave(waiter)
    if (room) this.#closeIfEmpty(room)
  }

  /** All of them, whatever its slots: their connections are open in it anyway. */
  admit(hold: Hold): void {
    const room = this.#rooms.get(hold.grant.instance)
    if (!room || room.home.incarnation !== hold.grant.incarnation) return
    for (let waiter = room.waiting.next(); waiter; waiter = room.waiting.next()) waiter.admitted(hold.take(), true)
    this.#closeIfEmpty(room)
  }

  /** False: it was nobody's of this room. */
  refused(id: number, error: ErrorFields): boolean {
    const room = this.#rooms.values().find(({ asked }) => asked === id)
    if (!room) return false
    room.asked = undefined
    if (error.code === 'hold.held_already') room.again ??= setTimeout(() => this.#askAgain(room), againAfterMs)
    else {
      room.waiting.refuseAll(new RemoteError({ ...error, status: 503 }))
      this.#closeIfEmpty(room)
    }
    return true
  }

  /** What was asked over it will not be answered. */
  linkLost(link: NodeLink): void {
    for (const room of this.#rooms.values()) if (room.home.node === link.node) room.asked = undefined
  }

  linkBack(link: NodeLink): void {
    for (const room of this.#rooms.values()) if (room.home.node === link.node) this.#ask(room)
  }

  refuseAll(error: Error): void {
    for (const room of this.#rooms.values()) {
      room.waiting.refuseAll(error)
      this.#closeIfEmpty(room)
    }
  }

  #askAgain(room: Room): void {
    room.again = undefined
    this.#ask(room)
  }

  #ask(room: Room): void {
    if (room.asked !== undefined || room.again) return
    const link = this.#around.link(room.home.node)
    if (!link?.connected) return // it comes back, or their deadlines pass
    const { instance, incarnation } = room.home
    room.asked = this.#around.acquire(link, { instance, incarnation })
  }

  #closeIfEmpty(room: Room): void {
    if (room.waiting.size > 0) return
    clearTimeout(room.again)
    this.#rooms.delete(room.home.instance)
  }
}
