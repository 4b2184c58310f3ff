import type { AppName, NodeId, TeamId } from '../core/ids.ts'
import type { State } from '../model/instance.ts'

/**
 * The table of the distributed system. Everything the roles say to each other but the holds protocol (fabric/hold.ts)
 * and the API goes through a name in this file.
 *
 * KV buckets: desired state and what nodes say of themselves. Written with compare-and-set, watched by all.
 *
 * | bucket     | key                   | value             | written by | read by              | lost or repeated |
 * |------------|-----------------------|-------------------|------------|----------------------|------------------|
 * | apps       | team.app              | model/app         | control    | edge, host, billing  | watchers resync on reconnect; a repeat is harmless |
 * | releases   | team.app.number       | model/release     | control    | edge, host           | the same; immutable |
 * | secrets    | team.app.number       | SealedSecrets     | control    | host                 | the same; immutable, as the release is |
 * | placements | node.team.app         | cluster/placement | control    | host, edge           | the same |
 * | nodes      | node                  | model/node        | host       | edge, control, billing | the same |
 * | hostnames  | hostname              | team.app          | control    | control              | create-only: claims an address |
 * | hostports  | port                  | team.app          | control    | control              | create-only: claims a port of the edges |
 * | tokens     | sha256 of the token   | Token (control)   | control    | control              | the same |
 *
 * JetStream streams: what happened.
 *
 * | stream | subject                | payload                 | sender | reader        | lost or repeated |
 * |--------|------------------------|-------------------------|--------|---------------|------------------|
 * | USAGE  | usage.<node>           | UsageRecord[] (batch)   | host   | billing       | spooled until acknowledged; idempotent by (node, sequence) |
 * | EVENTS | events.<team>.<app>    | AppEvent (below)        | host, control | control, CLI | kept 7 days; a repeat is shown twice |
 * | LOGS_<team>_<app> | logs.<team>.<app>.<node> | LogSegment (below) | host | control    | kept by size and age, a stream for each app (log-streams.ts); loss is said in the log itself |
 *
 * Core NATS: soft state and questions. Nothing here is kept.
 *
 * | subject                    | payload               | sender  | reader  | lost |
 * |----------------------------|-----------------------|---------|---------|------|
 * | soft.node.<node>           | NodeSoftState         | host    | edge, control | the next comes within 500 ms |
 * | ask.host.<node>.<question> | request / reply       | control | host    | the asker's deadline |
 * | ask.edge.<question>        | request / reply       | control | every edge | no edge answers: the question is left out |
 * | ask.billing.<question>     | request / reply       | control | billing | the asker's deadline |
 * | ask.all.<question>         | request / replies     | control | every role that has an answer | it is missing in what is shown |
 * | exec.<session>.in / .out   | ExecFrame             | control, host | host, control | the session ends with an error |
 */
export const buckets = [
  'apps',
  'releases',
  'secrets',
  'placements',
  'nodes',
  'hostnames',
  'hostports',
  'tokens',
] as const
export type BucketName = (typeof buckets)[number]

export const keys = {
  app: (team: TeamId, app: AppName) => `${team}.${app}`,
  release: (team: TeamId, app: AppName, number: number) => `${team}.${app}.${number}`,
  placement: (node: NodeId, team: TeamId, app: AppName) => `${node}.${team}.${app}`,
  node: (node: NodeId) => node,
}

export const streams = {
  USAGE: { subjects: ['usage.>'] },
  EVENTS: { subjects: ['events.>'], maxAgeMs: 7 * 24 * 3_600_000 },
} as const
export type StreamName = keyof typeof streams

export const subjects = {
  usage: (node: NodeId) => `usage.${node}`,
  events: (team: TeamId, app: AppName) => `events.${team}.${app}`,
  logs: (team: TeamId, app: AppName, node: NodeId) => `logs.${team}.${app}.${node}`,
  logsOf: (team: TeamId, app: AppName) => `logs.${team}.${app}.>`,
  softNode: (node: NodeId) => `soft.node.${node}`,
  softNodes: 'soft.node.*',
  askHost: (node: NodeId, question: HostQuestion) => `ask.host.${node}.${question}`,
  askEdge: (question: EdgeQuestion) => `ask.edge.${question}`,
  askAll: (question: EverybodysQuestion) => `ask.all.${question}`,
  askBilling: (question: BillingQuestion) => `ask.billing.${question}`,
  execIn: (session: string) => `exec.${session}.in`,
  execOut: (session: string) => `exec.${session}.out`,
}

/** What happened to an app, in words a person reads; deploy steps are events too. */
export interface AppEvent {
  /** ms since the epoch */
  at: number
  team: TeamId
  app: AppName
  release: number
  node?: NodeId
  instance?: string
  /** Steps of a deploy in their order: image, template, start, warm, parked; then `live` or `failed`. Others: crashed, unhealthy, ended; dropped and lost: what a person wants to know who asks where an app's memory went. */
  kind:
    | 'image'
    | 'template'
    | 'start'
    | 'warm'
    | 'parked'
    | 'live'
    | 'failed'
    | 'crashed'
    | 'unhealthy'
    | 'ended'
    | 'dropped'
    | 'lost'
  message: string
  tookMs?: number
  /** `status` as errorFields gives it. */
  error?: { code: string; message: string; hint: string; status?: number }
}

export interface LogLine {
  /** ms since the epoch */
  at: number
  instance: string
  release: number
  stream: 'stdout' | 'stderr' | 'system'
  text: string
  /** The line was too long for one: its next part follows. */
  continues?: boolean
}

/** A segment is sent after 250 ms or 64 KiB, whichever comes first, and later where many apps write at once. */
export interface LogSegment {
  lines: LogLine[]
  /** The node's number of the last line: what comes again after a crash is known by it. */
  upTo: number
}

/**
 * What a node has at hand, a few times a second and on change; kept in the memory of edges and control. `apps` holds
 * those that changed and some of the others in turn (heard-apps.ts): work and bytes for an app that sleeps are few.
 */
export interface NodeSoftState {
  node: NodeId
  epoch: string
  at: number
  /** 0 idle … 1 all CPUs busy */
  load: number
  /** What a new instance could have, by sending others to the disk. */
  freeMib: number
  memory: NodeMemory
  apps: {
    team: TeamId
    app: AppName
    instances: {
      id: string
      release: number
      state: string
      incarnation: number
      memoryMib: number
      requests: number
      sinceMs: number
    }[]
  }[]
}

/** Of instances, MiB: what they may use, what they use (with their templates), what always-parked apps have reserved. */
export interface NodeMemory {
  budgetMib: number
  usedMib: number
  reservedMib: number
  /** Instances by state. */
  states: Partial<Record<State, number>>
}

/** An instance as its node answers for it. */
export interface HostInstance {
  team: TeamId
  app: AppName
  release: number
  id: string
  state: string
  incarnation: number
  memoryMib: number
  requests: number
  /** By the image's HEALTHCHECK, looked at while it is awake; undefined: it has none. */
  health?: 'healthy' | 'failing' | 'unhealthy' | undefined
  /** How long it has been in this state. */
  sinceMs: number
}

/** `instances`: {} → HostInstance[]. `exec`: ExecStart → { ok } | error fields. `end`: {team, app} → { ended }. */
export type HostQuestion = 'instances' | 'exec' | 'end'
/** `port`: {port} → { takenBy?: the program that has it }. The first edge to answer is believed. */
export type EdgeQuestion = 'port'
/** `cost`: CostQuery → CostRow[]; `audit`: CostQuery → CostAudit; `chains`: {} → Chains; see model/cost.ts. */
export type BillingQuestion = 'cost' | 'audit' | 'chains'

/** `metrics`: {} → RoleMetrics of each role. `traffic`: {} → AppTraffic[] of each edge. */
export type EverybodysQuestion = 'metrics' | 'traffic'

/** What an app was asked at one edge, since that edge started. */
export interface AppTraffic {
  /** '' and 'other': apps beyond those that are counted by name. */
  team: string
  app: string
  requests: number
  wakes: number
  /** How many first bytes came within which time: core/latency.ts has the bounds. */
  firstByte: number[]
}

export interface ExecStart {
  session: string
  team: TeamId
  app: AppName
  instance?: string | undefined
  command: string[]
  tty: boolean
  rows?: number | undefined
  columns?: number | undefined
}

/** Frames on exec.<session>.in (stdin, stdinEnd, resize, close: the asker is gone) and .out (stdout, stderr, exit, error). Data is base64. */
export type ExecFrame =
  | { type: 'stdin' | 'stdout' | 'stderr'; data: string }
  | { type: 'stdinEnd' }
  | { type: 'close' }
  | { type: 'resize'; rows: number; columns: number }
  | { type: 'exit'; code: number }
  | { type: 'error'; error: { code: string; message: string; hint: string } }
