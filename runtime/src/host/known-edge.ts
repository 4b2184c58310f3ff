import type { EdgeId, HoldId } from '../core/ids.ts'
import type { AgentMessage } from '../fabric/hold.ts'
import type { Instance } from './instance.ts'
import { Waits } from './waits.ts'

/** An edge's right to use an instance, as the agent counts it. */
export interface Hold {
  id: HoldId
  edge: EdgeId
  instance: Instance
  soft: number
  hard: number
}

/** One edge as this agent knows it. It may be without a link for a while: its holds stay until they expire. */
export interface KnownEdge {
  id: EdgeId
  send: ((message: AgentMessage) => void) | undefined
  holds: Map<HoldId, Hold>
  waits: Waits
  lastHeardAt: number
  /** It was silent for too long, though its link is up: it believes in holds that are no more. */
  expired: boolean
}

export const newEdge = (id: EdgeId, send: KnownEdge['send']): KnownEdge => ({
  ...{ id, send, holds: new Map(), waits: new Waits() },
  lastHeardAt: Date.now(),
  expired: false,
})
