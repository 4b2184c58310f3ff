/** What crosses the API. Times are ms since the epoch, durations ms, sizes MiB, unless the name says otherwise. */

export interface DeployRequest {
  /** A registry reference, `upload:…` from uploads, or (clients on the cloud's own machine only) an absolute path. */
  image: string
  /** The port that requests go to; else the image's first exposed port, or the first that opens. */
  port?: number | undefined
  /** 'tcp': connections to `hostPort` of the cloud's edges are passed to `port` as they are. */
  protocol?: 'http' | 'tcp' | undefined
  /** The same number as `port` if it is not given. */
  hostPort?: number | undefined
  memoryMib?: number | undefined
  cpus?: number | undefined
  /** Requests one instance takes before a further one is used (soft), and at the most (hard). */
  concurrency?: { soft: number; hard: number } | undefined
  idleMs?: number | undefined
  /** How long files in an instance may keep it awake without any request. */
  maxAwakeMs?: number | undefined
  /** How long a TCP or WebSocket client that spoke last may wait for an answer before the app may sleep. */
  maxBusyMs?: number | undefined
  /** `KEY=value`; comes after the image's own. */
  env?: string[] | undefined
  /** Given to the app as environment, kept encrypted. null: keep the value of the release that is live. */
  secrets?: Record<string, string | null> | undefined
  /** Replaces the image's Cmd. */
  command?: string[] | undefined
  /** The request that warms a new instance up. */
  warm?: { path: string; times: number } | undefined
  /** Further instances are copies of the first one's warmed memory: read docs/clones.md first. */
  clone?: 'warm' | undefined
  maxInstances?: number | undefined
  spares?: number | 'auto' | undefined
  /**
   * IPv4 addresses or networks (`203.0.113.0/24`) that connections of the app's own may go to (else: the whole internet;
   * an empty list: nowhere), and those that they may not.
   */
  egress?: { allow?: string[] | undefined; deny?: string[] | undefined } | undefined
  /** Under memory pressure its instances are ended, and started anew by the next request. */
  ephemeral?: boolean | undefined
  /** Its memory is reserved, so that it always wakes from memory; refused where there is none to reserve. */
  alwaysParked?: boolean | undefined
  /** Talk to the registry without TLS. */
  insecureRegistry?: boolean | undefined
  /** Percent of the requests that the release gets beside the live one, until it is promoted or rolled back. */
  canary?: number | undefined
}

export type StepName = 'plan' | 'image' | 'place' | 'template' | 'start' | 'warm' | 'parked' | 'live'

export interface Live {
  type: 'live'
  app: string
  release: number
  url: string
  image: { reference: string; digest: string; rootBytes: number }
  instance: { id: string; node: string; memoryMib: number; cpus: number; isolation: 'hardware' | 'emulated' }
  /** The whole deploy. */
  tookMs: number
  /** Percent of the requests that it gets; absent: all of them. */
  canary?: number | undefined
}

/** A deploy answers these in order; `live` is the last one. A failure is thrown. */
export type DeployStep =
  | { type: 'progress'; step: StepName; message: string; tookMs: number }
  | { type: 'step'; step: StepName; message: string; tookMs: number }
  | Live

export interface AppView {
  name: string
  team: string
  url: string
  state: 'deploying' | 'live' | 'stopped'
  /** 0 while the first one is being made. */
  release: number
  canary?: { release: number; percent: number } | undefined
  image: string
  memoryMib: number
  cpus: number
  createdAt: number
  deployedAt: number
}

export interface InstanceView {
  id: string
  app: string
  release: number
  node: string
  /** stored | starting | parked | running | stopping | suspended | broken */
  state: string
  incarnation: number
  memoryMib: number
  requests: number
  /** How long it has been in this state. */
  sinceMs: number
  /** By the image's HEALTHCHECK, looked at while it is awake; absent: it has none. */
  health?: 'healthy' | 'failing' | 'unhealthy' | undefined
}

export interface ReleaseView {
  number: number
  /** `kept`: its instance is still there, asleep, so that a rollback takes some ms. */
  state: 'live' | 'canary' | 'kept' | 'replaced' | 'failed' | 'deploying'
  /** Of the requests, if it is a canary. */
  percent?: number | undefined
  image: string
  digest: string
  createdAt: number
  createdBy: string
  failure?: { code: string; message: string } | undefined
}

export interface LogLine {
  at: number
  /** '' for what is said of the app as a whole. */
  instance: string
  release: number
  /** system: what the cloud itself says, such as lines that were dropped. */
  stream: 'stdout' | 'stderr' | 'system'
  text: string
  /** The line was longer than 16 KiB: its next part follows. */
  continues?: boolean | undefined
  /** Its place in the log. */
  cursor: string
}

/** Which lines of a log; times are ms since the epoch. */
export interface LogQuery {
  /** Go on with what is written from now on. */
  follow?: boolean | undefined
  from?: number | undefined
  to?: number | undefined
  /** At most so many past lines. */
  tail?: number | undefined
  /** Only lines that hold this text. */
  grep?: string | undefined
  instance?: string | undefined
  release?: number | undefined
}

/** What goes on in an app; counters since the edges started, so two looks tell what happened in between. */
export interface TopApp {
  name: string
  state: 'deploying' | 'live' | 'stopped'
  release: number
  /** State → how many. */
  instances: Record<string, number>
  /** Of the guests that are in memory. */
  memoryMib: number
  requests: number
  wakes: number
  /** How many first bytes came within each of `boundsMs`, and later than all of them. */
  firstByte: number[]
  /** An integer as text. */
  microcreditsThisHour: string
}

export interface Top {
  at: number
  boundsMs: number[]
  apps: TopApp[]
}

export type CostBy = 'app' | 'hour' | 'day' | 'team'

/** One app (or team, hour, day) and kind. */
export interface CostRow {
  team: string
  /** Not in rows by team. */
  app?: string | undefined
  /** Begin of the hour or day (UTC), in rows by these. */
  atMs?: number | undefined
  /** `run` is billed; `prepare` (starts and warm-up) costs nothing. */
  kind: 'run' | 'prepare'
  runMs: number
  vcpuMs: number
  mibMs: number
  egressBytes: number
  requests: number
  /** An integer; text because it may pass 2^53. */
  microcredits: string
}

export interface NodeView {
  id: string
  region: string
  isolation: 'hardware' | 'emulated'
  accelerator: 'kvm' | 'tcg'
  cpus: number
  memoryMib: number
  /** Unknown while the node is silent. */
  freeMib?: number | undefined
  /** Of instances: what they may use, use, and have reserved; and how many there are by state. */
  memory?: { budgetMib: number; usedMib: number; reservedMib: number; states: Record<string, number> } | undefined
  /** 0 idle … 1 all CPUs busy */
  load?: number | undefined
  /** Since when nothing was heard of it. */
  silentMs?: number | undefined
  /** By state: how many, and what their guests may use at the most. */
  instances: Record<string, { count: number; memoryMib: number }>
}

export interface Status {
  version: string
  startedAt: number
  isolation: 'hardware' | 'emulated' | 'mixed' | 'none'
  roles: { role: string; name: string; state: 'ok' | 'silent' | 'away'; fact: string }[]
  nodes: NodeView[]
  /** What goes on and should not: state that is out of date, usage that is missing. */
  warnings: string[]
}

export interface WhoAmI {
  team: string
  name: string
  role: 'owner' | 'node'
}

export interface Upload {
  /** For `DeployRequest.image`. */
  reference: string
  bytes: number
}

export interface ErrorBody {
  error: { code: string; message: string; hint: string; status?: number | undefined }
}
