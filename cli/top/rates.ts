import type { Top, TopApp } from '../../sdk/src/index.ts'

/** What went on in an app between two looks. */
export interface AppRates {
  name: string
  state: string
  running: number
  parked: number
  suspended: number
  /** Starting, stopping, broken. */
  others: number
  requestsPerS: number
  wakesPerMin: number
  /** Upper bounds of the time to the first byte; undefined: nothing was asked. */
  p50Ms: number | undefined
  p99Ms: number | undefined
  memoryMib: number
  microcreditsThisHour: string
}

/** Busiest first, then by name. */
export function rates(before: Top, now: Top): AppRates[] {
  const seconds = Math.max(0.001, (now.at - before.at) / 1000)
  const old = new Map(before.apps.map((app) => [app.name, app]))
  return now.apps
    .map((app) => of(app, old.get(app.name), seconds, now.boundsMs))
    .toSorted((a, b) => b.requestsPerS - a.requestsPerS || (a.name < b.name ? -1 : 1))
}

function of(app: TopApp, before: TopApp | undefined, seconds: number, boundsMs: number[]): AppRates {
  const { running = 0, parked = 0, suspended = 0, ...others } = app.instances
  const counts = app.firstByte.map((count, at) => since(count, before?.firstByte[at]))
  return {
    name: app.name,
    state: app.state,
    running,
    parked,
    suspended,
    others: Object.values(others).reduce((sum, count) => sum + count, 0),
    requestsPerS: since(app.requests, before?.requests) / seconds,
    wakesPerMin: (since(app.wakes, before?.wakes) / seconds) * 60,
    p50Ms: percentile(counts, boundsMs, 0.5),
    p99Ms: percentile(counts, boundsMs, 0.99),
    memoryMib: app.memoryMib,
    microcreditsThisHour: app.microcreditsThisHour,
  }
}

/** A counter that shrank began anew: an edge was started again. An app that is new has had all it has since then. */
const since = (now: number, before = 0) => (now < before ? now : now - before)

/** The bound of the range in which it lies; Infinity beyond the last. */
export function percentile(counts: number[], boundsMs: number[], share: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return undefined
  let below = 0
  for (const [at, count] of counts.entries()) {
    below += count
    if (below >= share * total) return boundsMs[at] ?? Number.POSITIVE_INFINITY
  }
  return Number.POSITIVE_INFINITY
}
