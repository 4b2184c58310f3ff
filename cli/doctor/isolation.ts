import { cacheDir } from '../../runtime/src/core/paths.ts'
import { knownMachine, MachineNotSetUp } from '../../runtime/src/vm/accelerator.ts'
import { type Finding, fail, ok, warn } from './check.ts'

const meaning = {
  hardware: 'each instance is behind a boundary that the CPU enforces',
  emulated: 'the CPU is software, which QEMU does not call a security boundary; the jail around it remains',
}

/** Where the guests' CPU comes from, and what that makes of the wall around them. */
export async function isolation(): Promise<Finding[]> {
  try {
    const machine = await knownMachine(cacheDir())
    if (!machine) return [warn('isolation', 'not probed since this machine started', 'Run: npm start, or little up')]
    const cpu = `${machine.cpus} CPUs, ${machine.accelerator} (KVM: ${machine.reason})`
    const fact = `${machine.isolation}: ${meaning[machine.isolation]}`
    if (machine.isolation === 'hardware') return [ok('cpu', cpu), ok('isolation', fact)]
    const next = 'Run only your own images here; for strangers use a machine where KVM works'
    return [ok('cpu', `${cpu}; programs run several times slower than under KVM`), warn('isolation', fact, next)]
  } catch (error) {
    if (error instanceof MachineNotSetUp) return [fail('isolation', error.message, error.hint)]
    throw error
  }
}
