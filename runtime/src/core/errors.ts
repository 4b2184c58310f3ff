/**
 * A failure we foresaw. Anything else that is thrown is a bug and becomes a 500 with only a request id.
 * The message is the fact with its values; the hint is the one next step.
 */
export abstract class LittleError extends Error {
  /** Stable for ever and never reused: scripts match on it, docs/errors.md lists it. */
  abstract readonly code: string
  /** HTTP status at the API's and the edge's doors. */
  abstract readonly status: number
  /** What the person should do next, as one line. */
  abstract readonly hint: string

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = new.target.name
  }
}

/** The form in which an error crosses a wire or is printed with `--json`. */
export interface ErrorFields {
  code: string
  message: string
  hint: string
}

/** A failure that another process foresaw, as it arrived over a wire. */
export class RemoteError extends LittleError {
  readonly code: string
  readonly status: number
  readonly hint: string
  constructor(fields: ErrorFields & { status?: number }) {
    super(fields.message)
    this.code = fields.code
    this.status = fields.status ?? 500
    this.hint = fields.hint
  }
}

/** The fields to send of any thrown value; a bug shows nothing of itself. */
export function errorFields(error: unknown): ErrorFields & { status: number } {
  if (error instanceof LittleError) {
    return { code: error.code, message: error.message, hint: error.hint, status: error.status }
  }
  return {
    code: 'internal',
    message: 'littlecloud made a mistake',
    hint: 'The log of the process that answered has the details: little doctor shows where it is',
    status: 500,
  }
}

/** Throws where an expression is wanted: `map.get(key) ?? raise(new UnknownApp(key))`. */
export function raise(error: Error): never {
  throw error
}
