/** Every failure of the client. `code` is stable: docs/errors.md lists them all. */
export class LittleCloudError extends Error {
  override readonly name = 'LittleCloudError'
  readonly code: string
  /** The one next step. */
  readonly hint: string
  /** HTTP status of the answer; 0 if there was none. */
  readonly status: number

  constructor(
    fields: { code: string; message: string; hint: string; status?: number | undefined },
    options?: { cause?: unknown },
  ) {
    super(fields.message, options)
    this.code = fields.code
    this.hint = fields.hint
    this.status = fields.status ?? 0
  }

  toJSON() {
    return { code: this.code, message: this.message, hint: this.hint, status: this.status }
  }
}

export const unreachable = (url: string, cause: unknown) =>
  new LittleCloudError(
    {
      code: 'cloud.unreachable',
      message: `nothing answers at ${url}`,
      hint: 'Start the cloud on this machine with: little up   (another one: set LITTLE_URL)',
    },
    { cause },
  )

export const cutOff = (what: string, cause?: unknown) =>
  new LittleCloudError(
    {
      code: 'cloud.cut_off',
      message: `the connection to the cloud ended before ${what}`,
      hint: 'See whether the cloud still runs: little status',
    },
    { cause },
  )

export const notLittlecloud = (url: string, status: number) =>
  new LittleCloudError({
    code: 'cloud.not_littlecloud',
    message: `${url} answered ${status}, and not as a littlecloud does`,
    hint: 'Check the address: LITTLE_URL, or little login --url',
    status,
  })
