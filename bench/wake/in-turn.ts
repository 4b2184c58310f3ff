import { setTimeout as delay } from 'node:timers/promises'
import type { Sample, User } from './user.ts'

/** Wakes each app `wakes` times, one after the other, spread over the pause between two wakes of the same one. */
export async function wakeInTurn(
  user: User,
  port: number,
  apps: string[],
  { wakes, idleMs, pauseMs }: { wakes: number; idleMs: number; pauseMs: number },
  progress: (line: string) => void,
): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(apps.map((app) => [app, []]))
  await delay(idleMs + 500)
  for (let wake = 0; wake < wakes; wake++) {
    if (wake % 50 === 0) progress(`${wake} of ${wakes} wakes of each app`)
    const began = performance.now()
    for (const [index, app] of apps.entries()) {
      await delay(Math.max(0, began + (index * (idleMs + pauseMs)) / apps.length - performance.now()))
      samples.get(app)?.push(await user.get(port, app))
    }
    await delay(Math.max(0, began + idleMs + pauseMs - performance.now()))
  }
  return samples
}
