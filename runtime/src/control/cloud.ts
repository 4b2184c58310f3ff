import type { Logger } from '../core/log.ts'
import type { ControlConfig } from './config.ts'
import type { Events } from './events.ts'
import type { HostPorts } from './host-ports.ts'
import type { Hosts } from './hosts.ts'
import type { State } from './state.ts'

/** What every part of the control works with. */
export interface Cloud {
  config: ControlConfig
  clusterKey: Buffer
  state: State
  events: Events
  hosts: Hosts
  ports: HostPorts
  log: Logger
  /** Apps under change, `team.app`: one change at a time. */
  changing: Set<string>
  /** Digests that deploys in flight need: how many of them. */
  imagesInUse: Map<string, number>
  startedAt: number
}
