import { setTimeout as delay } from 'node:timers/promises'
import type { ImageConfig } from '../model/release.ts'
import type { ExecSession, ExecStart } from '../vm/guest-exec.ts'

/** Of what the command says, only the end is passed on: enough for a reason. */
const saidBytes = 400

export interface Checked {
  healthy: boolean
  /** `exit code 1: cannot connect`, `no answer within 3 s` */
  why: string
}

/** The command of the image's HEALTHCHECK; undefined if it has none. */
export function healthcheckCommand({ healthcheck }: Pick<ImageConfig, 'healthcheck'>): string[] | undefined {
  const [kind, ...args] = healthcheck?.test ?? []
  if (kind === 'CMD' && args.length > 0) return args
  if (kind === 'CMD-SHELL' && args[0]) return ['/bin/sh', '-c', args[0]]
  return undefined
}

/** Runs the command once inside the instance, which has to be awake; after the timeout it is killed. */
export async function runHealthcheck(
  command: string[],
  timeoutMs: number,
  exec: (start: ExecStart) => ExecSession,
): Promise<Checked> {
  const session = exec({ args: command })
  const given = new AbortController()
  const late = delay(timeoutMs, undefined, { signal: given.signal }).catch(() => {})
  let said = ''
  session.on('output', (_stream, bytes) => {
    said = (said + bytes.toString('utf8')).slice(-saidBytes)
    session.consumed(bytes.length)
  })
  try {
    const code = await Promise.race([session.exit, late])
    if (code === undefined) return { healthy: false, why: `no answer within ${timeoutMs / 1000} s` }
    const lastLine = said.trimEnd().split('\n').at(-1) ?? ''
    return { healthy: code === 0, why: `exit code ${code}${lastLine && `: ${lastLine}`}` }
  } finally {
    given.abort()
    session.kill()
  }
}
