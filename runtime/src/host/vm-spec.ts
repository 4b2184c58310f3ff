import { join } from 'node:path'
import type { Template } from '../template/store.ts'
import { restoreArguments } from '../vm/machine.ts'
import type { VmSpec } from '../vm/micro-vm.ts'
import type { InstanceRecord } from './record.ts'

/** The instance's own disk: its files, over the image's root. */
export const scratchPath = (dir: string) => join(dir, 'scratch')

/** The process that an instance's state is restored into, at its start and whenever it was suspended. */
export const instanceSpec = (
  { uid, tap }: Pick<InstanceRecord, 'uid' | 'tap'>,
  dir: string,
  cgroups: string[],
  template: Template,
): VmSpec => ({
  dir,
  uid,
  cgroups,
  tap,
  files: {
    root: { mode: 'r', path: template.rootPath },
    scratch: { mode: 'rw', path: scratchPath(dir) },
  },
  sealedRam: template.ramPath,
  accelerator: template.shape.accelerator,
  args: restoreArguments(template.shape),
})
