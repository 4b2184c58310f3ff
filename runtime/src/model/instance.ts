import { LittleError, raise } from '../core/errors.ts'

export type State = 'stored' | 'starting' | 'parked' | 'running' | 'stopping' | 'suspended' | 'broken'
export type Event =
  | 'start'
  | 'ready'
  | 'wake'
  | 'letGo'
  | 'request'
  | 'stopped'
  | 'suspend'
  | 'restored'
  | 'failed'
  | 'cleanedUp'

/** Every move an instance can make. docs/instance.md is drawn from this table, never the other way round. */
export const moves: Record<State, Partial<Record<Event, State>>> = {
  stored: { start: 'starting' },
  starting: { ready: 'parked', failed: 'broken' },
  parked: { wake: 'running', suspend: 'suspended', failed: 'broken' },
  running: { letGo: 'stopping', failed: 'broken' },
  stopping: { request: 'running', stopped: 'parked', failed: 'broken' }, // a late request wins over sleep
  suspended: { restored: 'parked', failed: 'broken' }, // uses up what was written; a wake follows if somebody waits
  broken: { cleanedUp: 'stored' },
}

export class IllegalMove extends LittleError {
  readonly code = 'instance.illegal_move'
  readonly status = 500
  readonly hint = 'This is a bug in littlecloud: please report it with the log of the host'
  constructor(from: State, event: Event) {
    super(`an instance that is ${from} cannot take the event ${event}`)
  }
}

export const can = (from: State, event: Event) => moves[from][event] !== undefined
export const step = (from: State, event: Event): State => moves[from][event] ?? raise(new IllegalMove(from, event))
