import type { ErrorFields } from '../core/errors.ts'
import type { AppName, EdgeId, HoldId, InstanceId, NodeId, TeamId } from '../core/ids.ts'

/**
 * The holds protocol: newline-delimited JSON between an edge (which connects) and a host agent, over a Unix socket on
 * one machine and TLS-PSK over TCP between machines. An edge sends requests to an instance only while it holds it;
 * an agent never stops a held instance. Holds are renewed every second and expire after 5 s of silence.
 */
export const holdRenewMs = 1_000
export const holdExpiryMs = 5_000

/** What an edge says it holds, on every (re)connect. */
export interface HeldByEdge {
  hold: HoldId
  instance: InstanceId
  incarnation: number
  soft: number
  hard: number
}

export type EdgeMessage =
  /** First on a connection. `epoch` is random per start of the edge. The agent keeps exactly the listed holds of this edge. */
  | { type: 'hello'; edge: EdgeId; epoch: string; holds: HeldByEdge[] }
  /**
   * Asks for slots on one instance of the app. `not` lists the instances whose share this edge already uses up, so that
   * the agent gives it another one. `only` names the one instance that will do, because a connection to it is open: it
   * is woken whatever its slots, and never another one.
   */
  | {
      type: 'acquire'
      id: number
      team: TeamId
      app: AppName
      release: number
      not: InstanceId[]
      only?: Bound | undefined
      deadlineMs: number
    }
  /** Still alive: renews all of this edge's holds. Every `holdRenewMs`, and whenever a request's accounting is worth telling. */
  | { type: 'renew'; usage: HoldUsage[] }
  /** The idle countdown ended: gives the hold back, with the last of its accounting. */
  | { type: 'letGo'; hold: HoldId; usage: HoldUsage }
  /** Answer to `shrink`. */
  | { type: 'shrunk'; hold: HoldId; soft: number; hard: number }

/** The memory that an open connection belongs to. */
export interface Bound {
  instance: InstanceId
  incarnation: number
}

/** Running totals since the hold was granted. */
export interface HoldUsage {
  hold: HoldId
  requests: number
  /** Reply bytes written to clients. */
  egressBytes: number
  /** Requests in flight now. */
  inFlight: number
}

/** What an acquire brings, but for how it came. */
interface Granting {
  id: number
  hold: HoldId
  instance: InstanceId
  incarnation: number
  /** Where the instance listens, reachable from the edge as it is. */
  address: string
  port: number
  /** This edge's share of the instance's concurrency. */
  soft: number
  hard: number
  /** False if the app cannot take a second connection while one idles: then none may be kept open. */
  keepConnections: boolean
}

/** How an instance came to be awake. */
interface Woken {
  /** Which tier it was woken from; `running`: it was awake for somebody else. */
  from: 'running' | 'parked' | 'suspended' | 'started'
  /** Parts of the wake, ms: for Server-Timing. */
  timing: {
    totalMs: number
    resumeMs: number
    clockMs: number
    /** Until it was back in memory; only from suspended. */
    restoreMs?: number | undefined
  }
}

/** The instance is awake, its clock is set: requests may go to it. */
export type Grant = { type: 'granted' } & Granting & Woken
/** It is being woken: all that is known of the grant already, so that the edge can read it while the guest wakes. */
export type Waking = { type: 'waking' } & Granting
/** The rest of the grant that `waking` began. */
export type Awake = { type: 'awake'; id: number } & Woken

export type AgentMessage =
  | { type: 'welcome'; node: NodeId; epoch: string }
  /** Answer to `renew`, a sign of life: a machine that died closes no connection. */
  | { type: 'renewed' }
  /** In one message, or in two: `refused` may also follow on `waking`. */
  | Grant
  | Waking
  | Awake
  /**
   * No instance can be had. `hold.held_already`: the one asked for is this edge's already, the grant is on its way;
   * `hold.at_limit`: all allowed instances are held by this edge already, fill them up to hard;
   * `hold.starting`: one more is being started, `retry` when `available` comes; anything else is final for this node.
   */
  | ({ type: 'refused'; id: number } & ErrorFields)
  /** An instance of the app became free to acquire (started, parked, released by another edge). */
  | { type: 'available'; team: TeamId; app: AppName }
  /** Another edge needs slots: give some back. Requests already in flight stay; the edge answers `shrunk`. */
  | { type: 'shrink'; hold: HoldId; soft: number; hard: number }
  /** The instance is no more (crashed, replaced, ended): its holds are void and its connections useless. */
  | { type: 'gone'; instance: InstanceId; incarnation: number; reason: ErrorFields }
