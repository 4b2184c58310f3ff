import { setTimeout as delay } from 'node:timers/promises'
import { formatMs } from '../../runtime/src/core/units.ts'
import type { Client } from '../../sdk/src/index.ts'
import { type FirstByte, firstByte } from './first-byte.ts'

/** Under emulation the first requests after a start are slower: the guest's code is translated as it runs. */
const warmUpRequests = 30
const awakeRequests = 20
const wakes = 3
/** It sleeps 1 s after its last request; the rest is for a busy machine. */
const asleepWithinMs = 20_000

/** Measures the app awake, then lets it sleep and wakes it, and says what a request had to wait. */
export async function showSleepAndWake(client: Client, app: string, port: number): Promise<string> {
  for (let sent = 0; sent < warmUpRequests; sent++) await firstByte(app, port)
  const awake: number[] = []
  for (let sent = 0; sent < awakeRequests; sent++) awake.push((await firstByte(app, port)).ms)

  const woken: FirstByte[] = []
  while (woken.length < wakes) {
    await asleep(client, app)
    woken.push(await firstByte(app, port))
  }
  const times = woken.map(({ ms }) => formatMs(ms)).join(', ')
  const wake = formatMs(median(woken.map(({ wakeMs }) => wakeMs)))
  return [
    `  awake   answers in ${formatMs(median(awake))} (median of ${awakeRequests})`,
    `  asleep  a request wakes it: answered in ${times}; the wake itself took ${wake}`,
  ].join('\n')
}

/** Resolves when the cloud says that no instance of the app runs. */
async function asleep(client: Client, app: string): Promise<void> {
  for (const until = Date.now() + asleepWithinMs; Date.now() < until; await delay(100)) {
    if ((await client.ps(app)).every(({ state }) => state === 'parked')) return
  }
  throw new Error(`${app} did not fall asleep within ${asleepWithinMs / 1000} s`)
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
