import type { Instance } from './instance.ts'
import { removeInstance } from './start.ts'
import type { HostTools } from './tools.ts'

/** As Docker gives a container by default. */
const graceMs = 10_000

/** Ends an instance as its image asks: the stop signal, a grace period, then it is killed and taken away. */
export async function endInstance(instance: Instance, tools: HostTools) {
  if (instance.state === 'suspended') return removeInstance(instance, tools) // not woken only to be told to end
  try {
    await instance.keep({ id: 'end' })
    const exited = new Promise<void>((resolve) => {
      instance.vm.guest.on('exited', () => resolve())
      instance.vm.qmp.on('closed', () => resolve())
      setTimeout(resolve, graceMs + 2_000)
    })
    instance.vm.guest.stop(graceMs)
    await exited
  } catch (error) {
    tools.log.warn(error, 'an instance could not be ended gracefully')
  }
  await removeInstance(instance, tools)
}
