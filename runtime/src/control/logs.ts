import { z } from 'zod'
import type { Cluster } from '../cluster/connect.ts'
import { ensureLogStream, type LogStream, logStream, logStreamName } from '../cluster/log-streams.ts'
import type { Start } from '../cluster/ordered.ts'
import { read } from '../cluster/stream.ts'
import { subjects } from '../cluster/subjects.ts'
import type { AppName, TeamId } from '../core/ids.ts'

const Line = z.object({
  at: z.number(),
  instance: z.string(),
  release: z.number(),
  stream: z.enum(['stdout', 'stderr', 'system']),
  text: z.string(),
  continues: z.boolean().optional(),
})
const Segment = z.object({ lines: z.array(Line) })

/** A line as a reader gets it; who was cut off goes on behind `cursor`. */
export const LogLineSchema = Line.extend({ cursor: z.string() })
export type ToldLine = z.infer<typeof LogLineSchema>

/** Where a reader got to: the segment's place in the stream, and the line's in the segment. */
export interface LogCursor {
  sequence: number
  index: number
}

export interface LogQuery {
  follow: boolean
  /** Only lines of this stretch of time, ms since the epoch. */
  fromMs?: number | undefined
  toMs?: number | undefined
  /** At most so many of the past lines. */
  tail?: number | undefined
  /** Only lines that hold this text. */
  grep?: string | undefined
  instance?: string | undefined
  release?: number | undefined
  /** Only what comes behind it; `fromMs` and `tail` have been heeded then. */
  after?: LogCursor | undefined
}

/** Whether anything of an app's log is kept, also of one that is no more. */
export async function hasLogs(cluster: Cluster, team: TeamId, app: AppName): Promise<boolean> {
  return ((await logStream(cluster, team, app))?.segments ?? 0) > 0
}

/** An app's past lines, then with `follow` those to come, until the signal. */
export async function* readLogs(
  cluster: Cluster,
  team: TeamId,
  app: AppName,
  query: LogQuery,
  signal: AbortSignal,
): AsyncGenerator<ToldLine> {
  const { follow, tail = Number.POSITIVE_INFINITY } = query
  await ensureLogStream(cluster, team, app)
  const stream = await logStream(cluster, team, app)
  const source = {
    stream: logStreamName(team, app),
    filter: subjects.logsOf(team, app),
    schema: Segment,
    signal,
    worthReading: mayHold(query.grep),
  } as const
  const last = stream?.lastSequence ?? 0
  let past: ToldLine[] = []
  for await (const message of read(cluster, { ...source, start: begin(query, stream), follow: false })) {
    if (message.sequence > last) break // comes again below
    const lines = wanted(message, query)
    if (tail === Number.POSITIVE_INFINITY) yield* lines
    else past = [...past, ...lines].slice(Math.max(0, past.length + lines.length - tail))
  }
  yield* past
  if (!follow) return
  const start = { at: 'sequence', sequence: last + 1 } as const
  for await (const message of read(cluster, { ...source, start, follow: true })) yield* wanted(message, query)
}

/** Segments are stored after their lines were written, so none of `fromMs` lies in an earlier one. */
function begin({ after, fromMs, tail, grep, instance, release }: LogQuery, stream: LogStream | undefined): Start {
  const last = stream?.lastSequence ?? 0
  if (after && after.sequence <= last) return { at: 'sequence', sequence: after.sequence }
  if (fromMs !== undefined) return { at: 'time', ms: fromMs }
  const selects = grep !== undefined || instance !== undefined || release !== undefined
  // A segment holds a line at least.
  if (tail !== undefined && !selects) return { at: 'sequence', sequence: Math.max(1, last - tail + 1) }
  return { at: 'first' }
}

/** Looks for the text in a segment's bytes, so that those without it are never taken apart. */
function mayHold(grep: string | undefined) {
  if (grep === undefined) return () => true
  const needle = Buffer.from(JSON.stringify(grep).slice(1, -1))
  return (data: Uint8Array) => Buffer.from(data.buffer, data.byteOffset, data.length).includes(needle)
}

function wanted(
  { sequence, value }: { sequence: number; value: z.infer<typeof Segment> },
  { fromMs = 0, toMs = Number.POSITIVE_INFINITY, grep, instance, release, after }: LogQuery,
): ToldLine[] {
  const behind = after?.sequence === sequence ? after.index : -1
  return value.lines
    .map((line, index) => ({ ...line, cursor: `${sequence}.${index}`, index }))
    .filter(({ at, index, ...line }) => {
      if (index <= behind || at < fromMs || at > toMs) return false
      if (grep !== undefined && !line.text.includes(grep)) return false
      return (instance === undefined || line.instance === instance) && (release ?? line.release) === line.release
    })
    .map(({ index: _, ...line }) => line)
}
