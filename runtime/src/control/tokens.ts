import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { teamId } from '../core/ids.ts'
import { ownerTeam } from '../model/team.ts'
import { WrongToken } from './errors.ts'
import { keyFile } from './key-file.ts'
import type { State } from './state.ts'

/** Who a token stands for. Tokens themselves are nowhere in the cluster's state, only their sha256. */
export const Token = z.object({
  team: z.string().transform(teamId),
  name: z.string(),
  role: z.enum(['owner', 'node']),
  createdAt: z.number(),
})
export type Token = z.infer<typeof Token>

export const newToken = () => `lc_${randomBytes(32).toString('base64url')}`
export const tokenKey = (token: string) => createHash('sha256').update(token).digest('hex')

export async function whoHolds(state: State, token: string): Promise<Token> {
  const entry = await state.tokens.get(tokenKey(token))
  if (!entry) throw new WrongToken()
  return entry.value
}

/** Makes sure that the machine's owner and its nodes can log in: `owner.token` and `node.token` in the data folder, 0600. */
export async function ensureFirstTokens(state: State, dataDir: string): Promise<void> {
  await grant(state, await keyFile(join(dataDir, 'owner.token'), newToken), 'owner')
  await grant(state, await keyFile(join(dataDir, 'node.token'), newToken), 'node')
}

async function grant(state: State, token: string, role: Token['role']): Promise<void> {
  const key = tokenKey(token)
  if (await state.tokens.get(key)) return
  await state.tokens.put(key, { team: ownerTeam, name: role, role, createdAt: Date.now() })
}
