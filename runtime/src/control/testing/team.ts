import { teamId } from '../../core/ids.ts'
import type { State } from '../state.ts'
import { newToken, tokenKey } from '../tokens.ts'

/** A further team with one token, which it returns; there is no API for teams yet. */
export async function ensureTeam(state: State, team: string): Promise<string> {
  const token = newToken()
  const value = { team: teamId(team), name: 'owner', role: 'owner' as const, createdAt: Date.now() }
  await state.tokens.put(tokenKey(token), value)
  return token
}
