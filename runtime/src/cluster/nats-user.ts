import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { z } from 'zod'

const NatsUser = z.object({ user: z.string(), pass: z.string() })

/** The roles' own user; made once per cloud, readable only for its owner. */
export function natsUser(file: string): z.infer<typeof NatsUser> {
  try {
    const made = { user: 'littlecloud', pass: randomBytes(24).toString('base64url') }
    writeFileSync(file, JSON.stringify(made), { mode: 0o600, flag: 'wx' })
    return made
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return NatsUser.parse(JSON.parse(readFileSync(file, 'utf8')))
  }
}
