import { dataDir } from '../../runtime/src/core/paths.ts'
import { type RunFile, readRunFiles } from '../../runtime/src/core/run-files.ts'
import { alive } from '../../runtime/src/vm/process.ts'
import { type Finding, fail, ok, warn } from './check.ts'

/** The processes of this data folder's cloud that live; the supervisor is the one called `up`. */
export const livingRoles = (data = dataDir()): RunFile[] =>
  readRunFiles(data).filter(({ pid, startTime }) => alive(pid, startTime))

/** One line when no cloud runs, else one for each role: a dead one among living ones is a failure. */
export function roles(data = dataDir()): Finding[] {
  const living = new Set(livingRoles(data).map(({ role }) => role))
  if (living.size === 0) return [ok('cloud', 'not running; start it with: little up')]
  return readRunFiles(data).map((file) => finding(file, living.has(file.role), living.has('up')))
}

function finding({ role, pid, state, restarts, log }: RunFile, lives: boolean, supervised: boolean): Finding {
  const name = role === 'up' ? 'cloud' : role
  if (!lives && !supervised)
    return fail(name, 'has ended, and nothing starts it again', 'Run: little down, then little up')
  if (!lives || state === 'restarting')
    return warn(name, `ended and is being started again (${restarts} times so far)`, `Its log says why: ${log}`)
  if (state === 'starting') return warn(name, `is starting, process ${pid}`, `Ask again in a moment; its log: ${log}`)
  const often = restarts > 0 ? `, started again ${restarts} times: see ${log}` : ''
  return ok(name, `ready, process ${pid}${often}`)
}
