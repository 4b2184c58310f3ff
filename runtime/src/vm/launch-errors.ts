import { LittleError } from '../core/errors.ts'

export class JailFailed extends LittleError {
  readonly code = 'vm.jail_failed'
  readonly status = 500
  readonly hint = 'Look for what this machine refuses with: little doctor'
}
