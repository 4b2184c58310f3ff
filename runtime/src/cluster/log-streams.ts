import {
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  PersistMode,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import { type AppName, appName, type TeamId, teamId } from '../core/ids.ts'
import { MIB } from '../core/units.ts'
import type { Cluster } from './connect.ts'
import { ClusterRefused } from './errors.ts'
import { subjects } from './subjects.ts'

export type LogStreamName = `LOGS_${string}`

/** What is kept of one app's log; its oldest segments go first. */
export const keptLogBytes = 16 * MIB
const keptLogMs = 30 * 24 * 3_600_000

export const logStreamName = (team: TeamId, app: AppName): LogStreamName => `LOGS_${team}_${app}`

export interface LogStream {
  team: TeamId
  app: AppName
  segments: number
  lastSequence: number
  /** When something was last stored, ms since the epoch; of an empty one, when it was made. */
  lastAt: number
}

/**
 * Makes the stream of an app's log if there is none. Each app has its own, so that one that floods pushes out nobody
 * else's lines. Written without a sync of the disk, unlike all other streams: logs never stand in front of state
 * (docs/decisions/080-logs.md has the figures).
 */
export async function ensureLogStream(cluster: Cluster, team: TeamId, app: AppName): Promise<void> {
  const name = logStreamName(team, app)
  const config = {
    name,
    subjects: [subjects.logsOf(team, app)],
    max_bytes: keptLogBytes,
    max_age: nanos(keptLogMs),
    persist_mode: PersistMode.Async,
  } satisfies Partial<StreamConfig>
  await asked(cluster, name, (manager) => manager.streams.add(config))
}

/** undefined: nothing of that app's log is kept. */
export async function logStream(cluster: Cluster, team: TeamId, app: AppName): Promise<LogStream | undefined> {
  const name = logStreamName(team, app)
  const info = await unlessMissing(asked(cluster, name, (manager) => manager.streams.info(name)))
  return info && described(info)
}

export async function logStreams(cluster: Cluster): Promise<LogStream[]> {
  const all = await asked(cluster, 'logs', async (manager) => {
    const found: StreamInfo[] = []
    for await (const info of manager.streams.list('logs.>')) found.push(info)
    return found
  })
  return all.flatMap((info) => described(info) ?? [])
}

export async function dropLogStream(cluster: Cluster, { team, app }: LogStream): Promise<void> {
  const name = logStreamName(team, app)
  await unlessMissing(asked(cluster, name, (manager) => manager.streams.delete(name)))
}

/** The newest message on that subject of an app's log. */
export async function lastLogMessage(
  cluster: Cluster,
  { team, app, subject }: { team: TeamId; app: AppName; subject: string },
): Promise<Uint8Array | 'none' | 'no stream'> {
  const name = logStreamName(team, app)
  const last = { last_by_subj: subject }
  try {
    const found = await asked(cluster, name, (manager) => manager.streams.getMessage(name, last))
    return found?.data ?? 'none'
  } catch (error) {
    if (isRefusal(error, JetStreamApiCodes.NoMessageFound)) return 'none'
    if (isRefusal(error, JetStreamApiCodes.StreamNotFound)) return 'no stream'
    throw error
  }
}

type Manager = Awaited<ReturnType<typeof jetstreamManager>>

async function asked<T>(cluster: Cluster, what: string, question: (manager: Manager) => Promise<T>): Promise<T> {
  const nats = await cluster.connection(what)
  try {
    return await cluster.unlessLost(what, question(await jetstreamManager(nats, { checkAPI: false })))
  } catch (error) {
    throw error instanceof JetStreamApiError ? new ClusterRefused(what, error) : error
  }
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (isRefusal(error, JetStreamApiCodes.StreamNotFound)) return undefined
    throw error
  }
}

function isRefusal(error: unknown, code: number): boolean {
  return error instanceof ClusterRefused && error.cause instanceof JetStreamApiError && error.cause.code === code
}

function described({ config, state, created }: StreamInfo): LogStream | undefined {
  const [, team, app] = config.subjects?.[0]?.split('.') ?? []
  if (team === undefined || app === undefined) return undefined
  const lastAt = Date.parse(state.messages > 0 ? state.last_ts : created)
  return { team: teamId(team), app: appName(app), segments: state.messages, lastSequence: state.last_seq, lastAt }
}
