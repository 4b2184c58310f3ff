import type { AppEvent } from '../cluster/subjects.ts'
import type { ImageDigest, NodeId, TeamId } from '../core/ids.ts'
import type { Logger } from '../core/log.ts'
import type { Release } from '../model/release.ts'
import type { TemplateStore } from '../template/store.ts'
import type { MachineShape } from '../vm/machine.ts'
import type { Boost } from './boost.ts'
import type { Cgroups } from './cgroup.ts'
import type { LogShipper } from './log-shipper.ts'
import type { Meter } from './meter.ts'
import type { HostNetwork } from './network.ts'
import type { WarmCopies } from './warm-copies.ts'

/** What the parts of a host agent work with; made once, in host.ts. */
export interface HostTools {
  node: NodeId
  /** Folder with one folder per instance. */
  instancesDir: string
  accelerator: MachineShape['accelerator']
  /** Whether this machine runs the team's programs. */
  admits(team: TeamId): boolean
  templates: TemplateStore
  warmCopies: WarmCopies
  network: HostNetwork
  meter: Meter
  boost: Boost | undefined
  /** Groups of one instance, to be joined by its launcher; empty where the machine has none. */
  cgroups: Pick<Cgroups, 'create' | 'remove' | 'restore' | 'outOfMemory'> & { list(): Promise<string[] | undefined> }
  /** Ids of instances that are being made or taken away: the reconciler leaves them alone. */
  busy: Set<string>
  /** 32 bytes that are on no disk: suspend-key.ts. */
  suspendKey: Buffer
  /** Root file system of an image, fetched if it is not here. */
  rootOf(digest: ImageDigest): Promise<string>
  /** `NAME=value`, opened; never logged, never written. */
  envOf(release: Pick<Release, 'team' | 'app' | 'number' | 'createdAt' | 'sealedEnv'>): Promise<string[]>
  tell(event: Omit<AppEvent, 'at' | 'node'>): void
  logs: LogShipper
  log: Logger
}
