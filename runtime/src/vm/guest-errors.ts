import { LittleError } from '../core/errors.ts'

/** The guest sent what the protocol does not have. It is not trusted, so the channel is closed at the first such frame. */
export class GuestProtocolError extends LittleError {
  readonly code = 'guest.protocol'
  readonly status = 502
  readonly hint = 'The instance is ended and started anew; if it happens again, its kernel or init was tampered with'
  constructor(problem: string) {
    super(`the guest broke the protocol: ${problem}`)
  }
}

export class GuestTimeout extends LittleError {
  readonly code = 'guest.timeout'
  readonly status = 504
  readonly hint = 'The machine may be overloaded: little doctor shows its load'
  constructor(awaited: string, deadlineMs: number) {
    super(`the guest gave no ${awaited} within ${deadlineMs} ms`)
  }
}

export class GuestUnreachable extends LittleError {
  readonly code = 'guest.unreachable'
  readonly status = 502
  readonly hint = 'The log of the host says why the instance ended'
  constructor(reason: string, options?: { cause?: unknown }) {
    super(`the guest's channel is closed: ${reason}`, options)
  }
}
