import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { z } from 'zod'
import { LittleError } from './errors.ts'

export class BadConfig extends LittleError {
  readonly code = 'config.bad'
  readonly status = 400
  readonly hint = 'Start roles with little up, or give a file as docs/operators.md describes: --config FILE'
}

/** The configuration of a role: the JSON file behind `--config`. Throws BadConfig with the place that is wrong. */
export function readRoleConfig<T>(schema: z.ZodType<T>): T {
  const { config: file } = parseArgs({ options: { config: { type: 'string' } } }).values
  if (!file) throw new BadConfig('no configuration was given')
  let json: unknown
  try {
    json = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new BadConfig(`${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new BadConfig(`${file}: ${issue?.path.join('.')}: ${issue?.message}`)
}
