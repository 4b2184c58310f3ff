import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { dataDir } from '../../runtime/src/core/paths.ts'
import { type Finding, fail, ok } from './check.ts'

export interface Role {
  name: string
  pid: number
  alive: boolean
}

/** What `little up` notes of each process that it supervises, in <data folder>/run. */
export async function knownRoles(data = dataDir()): Promise<Role[]> {
  const folder = join(data, 'run')
  const files = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json')).sort()
  const roles = await Promise.all(files.map((file) => readRole(join(folder, file))))
  return roles.filter((role) => role !== undefined)
}

export const runningRoles = async (data = dataDir()) => (await knownRoles(data)).filter((role) => role.alive)

/** One line when no cloud runs, else one for each role: a dead one among living ones is a failure. */
export async function roles(): Promise<Finding[]> {
  const known = await knownRoles()
  if (!known.some((role) => role.alive)) return [ok('cloud', 'not running; start it with: little up')]
  return known.map(({ name, pid, alive }) => {
    if (alive) return ok(name, `runs, process ${pid}`)
    return fail(
      name,
      `process ${pid} has ended`,
      `Its log says why: ${join(dataDir(), 'log')}; then: little down, little up`,
    )
  })
}

async function readRole(path: string): Promise<Role | undefined> {
  try {
    const note: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (typeof note !== 'object' || note === null || !('pid' in note)) return undefined
    const pid = Number(note.pid)
    if (!Number.isInteger(pid) || pid <= 0) return undefined
    const name = 'role' in note && typeof note.role === 'string' ? note.role : basename(path, '.json')
    return { name, pid, alive: await isAlive(pid) }
  } catch {
    return undefined // being written, or not one of ours
  }
}

/** A zombie has ended, whatever its pid says. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
  return state !== '' && state !== 'Z' && state !== 'X'
}
