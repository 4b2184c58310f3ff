import { LittleError } from '../../runtime/src/core/errors.ts'

/** The set-up cannot go on; the hint is the person's next step. */
export class SetupFailed extends LittleError {
  readonly code = 'setup.failed'
  readonly status = 500
  readonly hint: string
  constructor(message: string, hint: string, options?: { cause?: unknown }) {
    super(message, options)
    this.hint = hint
  }
}
