import { LittleError } from '../core/errors.ts'

export class WakeFailed extends LittleError {
  readonly code = 'instance.wake_failed'
  readonly status = 503
  readonly hint = 'The host ends this instance and starts another; try again in a moment'
  constructor(id: string, reason: string, options?: { cause?: unknown }) {
    super(`instance ${id} did not wake: ${reason}`, options)
  }
}
