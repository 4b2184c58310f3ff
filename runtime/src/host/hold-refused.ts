import { LittleError } from '../core/errors.ts'

type Code =
  | 'hold.at_limit'
  | 'hold.starting'
  | 'hold.no_such_app'
  | 'hold.no_such_release'
  | 'hold.no_such_instance'
  | 'hold.held_already'

/** Why an edge that asked for slots gets none; its code says whether to ask again. */
export class Refused extends LittleError {
  readonly code: Code
  readonly hint: string
  readonly status = 503
  constructor(code: Code, message: string, hint: string) {
    super(message)
    this.code = code
    this.hint = hint
  }
}
