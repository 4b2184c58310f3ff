import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { ImageConfig } from '../model/release.ts'
import type { ExecSession, ExecStart } from '../vm/guest-exec.ts'

const longestMs = 30_000

/** The command of the image's HEALTHCHECK; undefined if it has none. */
export function healthcheckCommand({ healthcheck }: ImageConfig): string[] | undefined {
  const [kind, ...args] = healthcheck?.test ?? []
  if (kind === 'CMD' && args.length > 0) return args
  if (kind === 'CMD-SHELL' && args[0]) return ['/bin/sh', '-c', args[0]]
  return undefined
}

/**
 * Runs the image's HEALTHCHECK once, beside a connection on which nothing is asked: whether it passes also tells whether
 * the app can answer while a connection idles.
 */
export async function checkHealth(
  to: { address: string; port: number },
  { config }: { config: ImageConfig },
  exec: (start: ExecStart) => ExecSession,
): Promise<'healthy' | 'unhealthy' | 'no answer'> {
  const idle = net.connect({ host: to.address, port: to.port })
  idle.on('error', () => {}) // the app may end it whenever it likes
  const session = exec({ args: healthcheckCommand(config) ?? [] })
  try {
    await Promise.race([once(idle, 'connect').catch(() => {}), delay(1_000)])
    session.on('output', (_stream, bytes) => session.consumed(bytes.length)) // for Docker's `inspect`; nobody here asks
    const late = delay(Math.min(config.healthcheck?.timeoutMs || longestMs, longestMs)).then(() => undefined)
    const code = await Promise.race([session.exit, late])
    if (code === undefined) return 'no answer'
    return code === 0 ? 'healthy' : 'unhealthy'
  } finally {
    session.kill()
    idle.destroy()
  }
}
