import { LittleError } from '../core/errors.ts'

/** Everything that can go wrong between two roles; nothing outside this folder sees an error of the NATS client. */
export class ClusterAway extends LittleError {
  readonly code = 'cluster.away'
  readonly status = 503
  readonly hint = 'little status shows whether nats-server runs'
  constructor(what: string, sinceMs: number) {
    super(`${what}: NATS has been away for ${Math.max(0, Math.round((Date.now() - sinceMs) / 1000))} s`)
  }
}

/** The connection broke while an answer was awaited: like ClusterTimeout, but known at once. */
export class ClusterLost extends LittleError {
  readonly code = 'cluster.lost'
  readonly status = 503
  readonly hint = 'It may have been done: look before trying again'
  constructor(what: string) {
    super(`${what}: the connection to NATS broke before the answer came`)
  }
}

export class ClusterClosed extends LittleError {
  readonly code = 'cluster.closed'
  readonly status = 503
  readonly hint = 'The process is about to end: ask again in a moment'
  constructor() {
    super('the connection to NATS was closed by this process')
  }
}

/** A write without an answer may still have happened: the caller reads before it decides anything. */
export class ClusterTimeout extends LittleError {
  readonly code = 'cluster.timeout'
  readonly status = 504
  readonly hint = 'It may have been done: look before trying again'
  constructor(what: string, deadlineMs: number, cause?: unknown) {
    super(`${what}: no answer from NATS within ${deadlineMs} ms`, { cause })
  }
}

export class ClusterRefused extends LittleError {
  readonly code = 'cluster.refused'
  readonly status = 500
  readonly hint = 'little doctor shows whether the disk is full; the log of nats-server has the details'
  constructor(what: string, cause: Error) {
    super(`${what}: ${cause.message}`, { cause })
  }
}

export class KeyExists extends LittleError {
  readonly code = 'cluster.key_exists'
  readonly status = 409
  readonly hint = 'Choose another name, or change what is there'
  constructor(bucket: string, key: string) {
    super(`${key} is already in ${bucket}`)
  }
}

export class Conflict extends LittleError {
  readonly code = 'cluster.conflict'
  readonly status = 409
  readonly hint = 'Somebody else changed it at the same time: try again'
  constructor(bucket: string, key: string, expected: number) {
    super(`${key} in ${bucket} is no longer at revision ${expected}`)
  }
}

/** A value or message that does not fit its schema: written by another version, or by somebody who should not write. */
export class Unreadable extends LittleError {
  readonly code = 'cluster.unreadable'
  readonly status = 500
  readonly hint = 'All roles of one cloud must run the same version: little status shows them'
  constructor(where: string, cause: unknown) {
    super(`${where} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

export class NobodyAnswers extends LittleError {
  readonly code = 'cluster.nobody_answers'
  readonly status = 503
  readonly hint = 'little status shows which role is not running'
  constructor(subject: string) {
    super(`nobody answers ${subject}`)
  }
}

export class AnswerTimeout extends LittleError {
  readonly code = 'cluster.answer_timeout'
  readonly status = 504
  readonly hint = 'little status shows how loaded the nodes are'
  constructor(subject: string, deadlineMs: number, cause?: unknown) {
    super(`${subject} was not answered within ${deadlineMs} ms`, { cause })
  }
}

export class NatsServerMissing extends LittleError {
  readonly code = 'cluster.nats_server_missing'
  readonly status = 500
  readonly hint =
    'Run npm start where a Debian mirror can be reached, it fetches one; or set LITTLE_NATS to a nats-server ≥ 2.11'
}

export class NatsServerFailed extends LittleError {
  readonly code = 'cluster.nats_server_failed'
  readonly status = 500
  readonly hint = 'The last lines of its log say why'
}
