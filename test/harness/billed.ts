import { setTimeout as delay } from 'node:timers/promises'
import { usageRecords } from '../../bench/wake/intervals.ts'
import { runMs, type UsageRecord } from '../../runtime/src/model/usage.ts'

/** One stretch of running time, however many records it was written in; ms since the epoch. */
export interface Run {
  startMs: number
  endMs: number
}

/** A record begins where the one before it was cut: the same µs, but for a rounding. */
const sameMomentMs = 2

/**
 * The billed time of one app after `sinceMs`, oldest first, as soon as nothing of it is still on its way: two looks that
 * are further apart than the node's sending agree.
 */
export async function billedRuns(dataDir: string, app: string, sinceMs = 0, deadlineMs = 20_000): Promise<Run[]> {
  const look = async () =>
    (await usageRecords(dataDir)).filter(
      (record) => record.app === app && record.kind === 'run' && record.endUs / 1000 > sinceMs,
    )
  let before = await look()
  for (const until = Date.now() + deadlineMs; ; ) {
    await delay(2_500)
    const now = await look()
    if (now.length === before.length && now.length > 0) return runsOf(now)
    if (Date.now() > until) throw new Error(`the usage of ${app} does not come to rest: ${now.length} records`)
    before = now
  }
}

/** Throws if a moment of an instance is billed twice. */
export function runsOf(records: UsageRecord[]): Run[] {
  const runs: Run[] = []
  const byInstance = Map.groupBy(records, ({ instance }) => instance)
  for (const [instance, of] of byInstance) {
    let last: Run | undefined
    for (const record of of.toSorted((a, b) => a.startUs - b.startUs)) {
      const run = { startMs: record.startUs / 1000, endMs: record.endUs / 1000 }
      if (last && run.startMs < last.endMs - sameMomentMs)
        throw new Error(`${runMs(record)} ms of ${instance} are billed twice`)
      if (last && run.startMs - last.endMs <= sameMomentMs) last.endMs = run.endMs
      else {
        last = run
        runs.push(run)
      }
    }
  }
  return runs.sort((a, b) => a.startMs - b.startMs)
}
