import { LittleError } from '../core/errors.ts'
import type { Qmp } from './qmp.ts'

export class SnapshotFailed extends LittleError {
  readonly code = 'vm.snapshot_failed'
  readonly status = 500
  readonly hint = 'The host tries again with a new template; if it repeats, little doctor shows what this machine lacks'
  constructor(action: 'save' | 'restore', reason: string) {
    super(`QEMU could not ${action} a microVM's state: ${reason}`)
  }
}

/** Stops the VM and writes its device state to the file behind `fd`; RAM stays in the shared file behind the backend. */
export async function saveState(qmp: Qmp, fd: number): Promise<void> {
  await ignoreSharedRam(qmp)
  // QEMU saves no VM a second time that has not run since: what was to be done with the first state came to nothing.
  const { status } = await qmp.execute('query-status')
  if (status === 'postmigrate') await qmp.execute('cont')
  await qmp.execute('stop')
  await qmp.execute('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 })
  await qmp.giveDescriptor('state', fd)
  await moved(qmp, 'save', () => qmp.execute('migrate', { uri: 'fd:state' }))
}

/** Restores device state from the file behind `fd`, from its start. The VM is left paused. */
export async function restoreState(qmp: Qmp, fd: number): Promise<void> {
  await ignoreSharedRam(qmp)
  await qmp.giveDescriptor('state', fd)
  await moved(qmp, 'restore', () => qmp.execute('migrate-incoming', { uri: 'fd:state' }))
}

/** `events` has to be asked for, and without `x-ignore-shared` all RAM would go through the file as well. */
const ignoreSharedRam = (qmp: Qmp) =>
  qmp.execute('migrate-set-capabilities', {
    capabilities: [
      { capability: 'x-ignore-shared', state: true },
      { capability: 'events', state: true },
    ],
  })

async function moved(qmp: Qmp, action: 'save' | 'restore', begin: () => Promise<unknown>) {
  const ended = qmp.next('MIGRATION', 10_000, ({ data }) => data.status === 'completed' || data.status === 'failed')
  const [event] = await Promise.all([ended, begin()])
  if (event.data.status === 'failed') {
    const { 'error-desc': reason } = await qmp.execute('query-migrate')
    throw new SnapshotFailed(action, reason ?? 'no reason given')
  }
}
