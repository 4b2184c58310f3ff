import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Release } from '../model/release.ts'
import { type Checked, healthcheckCommand, runHealthcheck } from './healthcheck.ts'
import type { Instance } from './instance.ts'
import { StartCalledOff, Unhealthy } from './start-errors.ts'

/** An image may look every 30 s; at its start that would only make a deploy slow. */
const longestPauseMs = 1_000

/**
 * Resolves when the image's HEALTHCHECK passes, which it must within the time that Docker would give it: the start
 * period and all of its retries. Whether it passes beside a connection on which nothing is asked also tells whether the
 * app can answer while one idles. Undefined: the image has none.
 */
export async function awaitHealthy(
  instance: Instance,
  port: number,
  { config, startDeadlineMs }: Pick<Release, 'config' | 'startDeadlineMs'>,
  signal: AbortSignal,
): Promise<{ keepConnections: boolean; checks: number } | undefined> {
  const command = healthcheckCommand(config)
  if (!command || !config.healthcheck) return undefined
  const { intervalMs, timeoutMs, startPeriodMs, retries } = config.healthcheck
  const patienceMs = Math.min(startDeadlineMs, startPeriodMs + retries * intervalMs)
  const until = performance.now() + patienceMs
  let checks = 0
  const check = async () => {
    checks++
    if (signal.aborted) throw new StartCalledOff()
    return runHealthcheck(command, timeoutMs, (start) => instance.vm.guest.exec(start))
  }
  const beside = () => besideIdleConnection({ host: instance.record.address, port }, check)
  for (;;) {
    if ((await beside()).healthy) return { keepConnections: true, checks }
    const alone = await check()
    if (alone.healthy) return { keepConnections: (await beside()).healthy, checks }
    if (performance.now() >= until) throw new Unhealthy(checks, patienceMs, alone.why)
    await delay(Math.min(intervalMs, longestPauseMs))
  }
}

async function besideIdleConnection(to: net.TcpNetConnectOpts, check: () => Promise<Checked>): Promise<Checked> {
  const idle = net.connect(to)
  idle.on('error', () => {}) // the app may end it whenever it likes
  try {
    await Promise.race([once(idle, 'connect').catch(() => {}), delay(1_000)])
    return await check()
  } finally {
    idle.destroy()
  }
}
