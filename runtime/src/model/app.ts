import { z } from 'zod'
import { type AppName, appName, teamId } from '../core/ids.ts'

/** A name is a DNS label: it becomes the first part of the app's address. */
export const appNamePattern = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/

export const App = z.object({
  team: z.string().transform(teamId),
  name: z.string().transform(appName),
  /** The release that takes traffic; 0 while the first one is still being made. */
  release: z.number().int().nonnegative(),
  /** Host header without port → this app. */
  hostname: z.string(),
  createdAt: z.number(),
  /** Set by `little stop`: the edge answers that the app is stopped, no instance is kept. */
  stopped: z.boolean().default(false),
})
export type App = z.infer<typeof App>

export const isAppName = (text: string): text is AppName => appNamePattern.test(text)
