import { z } from 'zod'
import type { Cluster } from '../cluster/connect.ts'
import { read } from '../cluster/stream.ts'
import { type LogLine, subjects } from '../cluster/subjects.ts'
import type { AppName, TeamId } from '../core/ids.ts'

export const LogLineSchema = z.object({
  at: z.number(),
  instance: z.string(),
  stream: z.enum(['stdout', 'stderr', 'system']),
  text: z.string(),
})
const Segment = z.object({ lines: z.array(LogLineSchema) })

export interface LogQuery {
  follow: boolean
  /** Only lines of the last so many ms. */
  sinceMs?: number | undefined
  /** At most so many of the past lines. */
  tail?: number | undefined
}

/** Whether anything of an app's log is kept, also of one that is no more. */
export async function hasLogs(cluster: Cluster, team: TeamId, app: AppName): Promise<boolean> {
  const last = { stream: 'LOGS', filter: subjects.logs(team, app), start: { at: 'last-per-subject' } } as const
  for await (const _ of read(cluster, { ...last, schema: z.unknown(), follow: false })) return true
  return false
}

/** An app's past lines, then with `follow` those to come, until the signal. */
export async function* readLogs(
  cluster: Cluster,
  team: TeamId,
  app: AppName,
  { follow, sinceMs, tail = Number.POSITIVE_INFINITY }: LogQuery,
  signal: AbortSignal,
): AsyncGenerator<LogLine> {
  const now = Date.now()
  const source = { stream: 'LOGS', filter: subjects.logs(team, app), schema: Segment, signal } as const
  const oldest = sinceMs === undefined ? 0 : now - sinceMs
  const start = sinceMs === undefined ? ({ at: 'first' } as const) : ({ at: 'time', ms: oldest } as const)
  let past: LogLine[] = []
  let last: number | undefined
  for await (const { sequence, value } of read(cluster, { ...source, start, follow: false })) {
    last = sequence
    const lines = value.lines.filter(({ at }) => at >= oldest)
    if (tail === Number.POSITIVE_INFINITY) yield* lines
    else past = [...past, ...lines].slice(Math.max(0, past.length + lines.length - tail))
  }
  yield* past
  if (!follow) return
  const next =
    last === undefined ? ({ at: 'time', ms: now } as const) : ({ at: 'sequence', sequence: last + 1 } as const)
  for await (const { value } of read(cluster, { ...source, start: next, follow: true })) yield* value.lines
}
