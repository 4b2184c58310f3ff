import { setTimeout as delay } from 'node:timers/promises'
import { User } from './user.ts'

/** An instance sleeps 10 ms after its reply at the earliest, so that one alone cannot be woken 100 times a second. */
export const stormApps = ['hostile-0', 'hostile-1']
const everyMs = 20

/** Wakes the hostile apps 100 times a second in all, whose guests spin, until it is stopped; tells how often it came to that. */
export function startStorm(port: number): { stop(): Promise<{ requests: number; wakes: number; perSecond: number }> } {
  const user = new User()
  const began = performance.now()
  let [requests, wakes, stopped] = [0, 0, false]
  const one = async (app: string) => {
    while (!stopped) {
      const next = performance.now() + everyMs
      const { from } = await user.get(port, app)
      requests++
      if (from === 'parked') wakes++
      await delay(Math.max(0, next - performance.now()))
    }
  }
  const running = stormApps.map(one)
  return {
    async stop() {
      stopped = true
      const seconds = (performance.now() - began) / 1000
      await Promise.all(running)
      await user[Symbol.asyncDispose]()
      return { requests, wakes, perSecond: Math.round(wakes / seconds) }
    },
  }
}
