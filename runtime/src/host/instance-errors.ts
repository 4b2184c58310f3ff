import { LittleError } from '../core/errors.ts'

export class WakeFailed extends LittleError {
  readonly code = 'instance.wake_failed'
  readonly status = 503
  readonly hint = 'The host ends this instance and starts another; try again in a moment'
  constructor(id: string, reason: string, options?: { cause?: unknown }) {
    super(`instance ${id} did not wake: ${reason}`, options)
  }
}

export class NotInMemory extends LittleError {
  readonly code = 'instance.not_in_memory'
  readonly status = 500
  readonly hint = 'This is a bug in littlecloud: please report it with the log of the host'
  constructor(id: string) {
    super(`instance ${id} is suspended, and something was asked of its process`)
  }
}

/** What was written when it was suspended cannot be used, and will never be: it starts anew. */
export class MemoryLost extends LittleError {
  readonly code = 'instance.memory_lost'
  readonly status = 503
  readonly hint = 'The app is started anew, without what it had in memory and files; what must last belongs elsewhere'
  constructor(id: string, reason: string, options?: { cause?: unknown }) {
    super(`what instance ${id} had in memory is lost, it starts anew: ${reason}`, options)
  }
}
