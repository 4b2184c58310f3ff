import type { ImageConfig } from '../model/release.ts'
import { AwakeTimer } from './awake-timer.ts'
import { type Checked, healthcheckCommand, runHealthcheck } from './healthcheck.ts'
import type { Instance } from './instance.ts'
import { Unhealthy } from './start-errors.ts'

/**
 * Looks whether an instance is well, by its image's HEALTHCHECK, as often as that says, counted in running time: it
 * wakes nothing, and what sleeps is not asked. `onUnhealthy` is called once, after so many failures in a row as the
 * image allows. Returns how to stop; undefined if the image has no HEALTHCHECK.
 */
export function watchHealth(
  instance: Instance,
  { healthcheck }: Pick<ImageConfig, 'healthcheck'>,
  onUnhealthy: (error: Unhealthy) => void,
): (() => void) | undefined {
  const command = healthcheckCommand({ healthcheck })
  if (!command || !healthcheck) return undefined
  const { intervalMs, timeoutMs, retries } = healthcheck
  const interval = new AwakeTimer(instance)
  let stopped = false
  const watch = async () => {
    for (let failures = 0; ; ) {
      await interval.wait(intervalMs)
      const { healthy, why } = await keptAwake(instance, () =>
        runHealthcheck(command, timeoutMs, (start) => instance.vm.guest.exec(start)),
      ).catch((): Checked => ({ healthy: true, why: 'its guest is gone, which is told elsewhere' }))
      if (stopped) return
      failures = healthy ? 0 : failures + 1
      instance.health = failures === 0 ? 'healthy' : failures < retries ? 'failing' : 'unhealthy'
      if (instance.health === 'unhealthy') return onUnhealthy(new Unhealthy(failures, failures * intervalMs, why))
    }
  }
  instance.health = 'healthy' // it was, when it became ready
  void watch()
  return () => {
    stopped = true
    interval[Symbol.dispose]()
  }
}

/** A check that slept in the middle would be what the CPU goes on with at the next wake, before the request. */
async function keptAwake<T>(instance: Instance, act: () => Promise<T>): Promise<T> {
  const keeper = 'health'
  await instance.keep({ id: keeper })
  try {
    return await act()
  } finally {
    instance.release(keeper)
  }
}
