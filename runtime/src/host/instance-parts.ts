import type { State } from '../model/instance.ts'
import type { MicroVm } from '../vm/micro-vm.ts'
import type { Boost } from './boost.ts'
import type { Cgroups } from './cgroup.ts'
import type { MemoryImage } from './memory-image.ts'
import type { Meter, OpenInterval } from './meter.ts'
import type { InstanceRecord } from './record.ts'
import type { Wake } from './wake.ts'

/** What an instance is made from. */
export interface InstanceParts {
  record: InstanceRecord
  /** Undefined: it is suspended. */
  vm: MicroVm | undefined
  state: State
  image: MemoryImage
  meter: Meter
  boost: Boost | undefined
  cgroups: Pick<Cgroups, 'outOfMemory'>
  interval?: OpenInterval | undefined
}

/** What an instance tells. */
export interface InstanceEvents {
  changed: []
  broken: [Error]
  late: []
  woke: [Wake]
  says: [line: string]
}
