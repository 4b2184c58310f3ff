import { LittleError } from '../core/errors.ts'

export class SuspendFailed extends LittleError {
  readonly code = 'vm.suspend_failed'
  readonly status = 500
  readonly hint = 'It stays in memory. Make room on the disk of the data folder, if that is full'
  constructor(reason: string, options?: { cause?: unknown }) {
    super(`a microVM could not be written to disk: ${reason}`, options)
  }
}

export class SuspendedImageCorrupt extends LittleError {
  readonly code = 'vm.suspended_corrupt'
  readonly status = 500
  readonly hint =
    'The host starts the app anew, without what it had in memory and files. Check the disk of this machine'
  constructor(reason: string, options?: { cause?: unknown }) {
    super(`a suspended microVM is not what was written: ${reason}`, options)
  }
}

export class SuspendedImageDoesNotFit extends LittleError {
  readonly code = 'vm.suspended_does_not_fit'
  readonly status = 500
  readonly hint = 'The host starts the app anew, without what it had in memory and files'
  constructor(reason: string) {
    super(`a suspended microVM cannot be resumed here: ${reason}`)
  }
}
