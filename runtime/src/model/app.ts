import { z } from 'zod'
import { type AppName, appName, teamId } from '../core/ids.ts'

/** A name is a DNS label: it becomes the first part of the app's address. */
export const appNamePattern = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/

/** The release before stays asleep on its nodes that long, memory permitting: going back to it takes some ms. */
export const keptMs = 30 * 60_000

export const App = z.object({
  team: z.string().transform(teamId),
  name: z.string().transform(appName),
  /** The release that takes traffic; 0 while the first one is still being made. */
  release: z.number().int().nonnegative(),
  /** The newest release that ever took traffic: a higher number is still being made, or has failed. */
  newest: z.number().int().nonnegative(),
  /** A release beside the live one, with its share of the requests. */
  canary: z.object({ release: z.number().int(), percent: z.number().int() }).optional(),
  /** The release that took traffic before, asleep on its nodes until then (ms since the epoch). */
  kept: z.object({ release: z.number().int(), until: z.number() }).optional(),
  /** Host header without port → this app. */
  hostname: z.string(),
  createdAt: z.number(),
  /** Set by `little stop`: the edge answers that the app is stopped, no instance is kept. */
  stopped: z.boolean().default(false),
})
export type App = z.infer<typeof App>

export const isAppName = (text: string): text is AppName => appNamePattern.test(text)

/** The releases that take requests. */
export const serving = ({ release, canary }: App): number[] => [release, canary?.release ?? 0].filter((one) => one > 0)

/** The release takes all traffic; the one before is kept for a while. */
export function withLive({ canary: _canary, kept: _kept, ...app }: App, release: number, now: number): App {
  const before = app.release !== release && app.release > 0 && { release: app.release, until: now + keptMs }
  const newest = Math.max(app.newest, release)
  return { ...app, release, newest, stopped: false, ...(before && { kept: before }) }
}

export function withCanary(app: App, release: number, percent: number): App {
  return { ...app, newest: Math.max(app.newest, release), canary: { release, percent } }
}

/** The canary takes no more requests; it stays asleep for those that edges still send there. */
export function withoutCanary({ canary, ...app }: App, now: number): App {
  return canary ? { ...app, kept: { release: canary.release, until: now + keptMs } } : app
}

/** No instance is left, hence no canary. */
export const stoppedApp = ({ canary: _canary, kept: _kept, ...app }: App): App => ({ ...app, stopped: true })
