import type { Release } from '../model/release.ts'
import type { GuestIdentity } from '../vm/guest-identity.ts'
import type { GuestFailed } from '../vm/guest-errors.ts'
import type { GuestExit, GuestListener } from '../vm/guest-messages.ts'
import type { Instance } from './instance.ts'
import type { LastLines } from './last-lines.ts'
import { CommandFailed, CrashedAtStart, OutOfMemory, PortNotOpen } from './start-errors.ts'

/** Gives the guest its identity and resolves with the port it takes requests on, once that is open. */
export async function awaitReady(
  instance: Instance,
  release: Release,
  lastLines: LastLines,
  identity: () => Promise<GuestIdentity>,
): Promise<number> {
  const { guest } = instance.vm
  const awaited = release.port ?? release.config.exposedPorts[0]
  const ready = Promise.withResolvers<number>()
  const onListeners = (listeners: GuestListener[]) => {
    const open = listeners.filter(({ loopbackOnly }) => !loopbackOnly)
    const hit = awaited === undefined ? open[0] : open.find(({ port }) => port === awaited)
    if (hit) ready.resolve(hit.port)
  }
  const onFailed = (error: GuestFailed) => ready.reject(new CommandFailed(error.message))
  const onExited = ({ exitCode, signal, outOfMemory }: GuestExit) => {
    // What it wrote last may still be on its way through the other port.
    setTimeout(() => {
      if (outOfMemory) ready.reject(new OutOfMemory(release.memoryMib))
      else ready.reject(new CrashedAtStart(signal > 0 ? `signal ${signal}` : `exit code ${exitCode}`, lastLines.lines))
    }, 50)
  }
  const onBroken = (error: Error) => ready.reject(error)
  guest.on('listeners', onListeners).on('failed', onFailed).on('exited', onExited)
  instance.on('broken', onBroken)
  const timer = setTimeout(() => {
    guest
      .listeners()
      .catch((): GuestListener[] => [])
      .then((open) => ready.reject(new PortNotOpen(awaited, open, release.startDeadlineMs, lastLines.lines)))
  }, release.startDeadlineMs)
  try {
    // Its failures come as events as well, and those say more.
    guest.identify(await identity(), release.startDeadlineMs).catch(() => {})
    return await ready.promise
  } finally {
    clearTimeout(timer)
    guest.off('listeners', onListeners).off('failed', onFailed).off('exited', onExited)
    instance.off('broken', onBroken)
  }
}
