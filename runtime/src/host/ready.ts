import type { Release } from '../model/release.ts'
import type { Identity } from '../vm/guest-identity.ts'
import type { GuestExit, GuestListener } from '../vm/guest-messages.ts'
import type { Instance } from './instance.ts'
import type { LastLines } from './last-lines.ts'
import { CommandFailed, CrashedAtStart, OutOfMemory, PortNotOpen } from './start-errors.ts'

/** Gives the guest its identity and resolves with the port it takes requests on, once that is open. */
export async function awaitReady(
  instance: Instance,
  release: Release,
  lastLines: LastLines,
  identity: () => Promise<Identity>,
): Promise<number> {
  const { guest } = instance.vm
  const awaited = release.port ?? release.config.exposedPorts[0]
  const ready = Promise.withResolvers<number>()
  const onListeners = (listeners: GuestListener[]) => {
    const open = listeners.filter(({ loopback }) => !loopback)
    const hit = awaited === undefined ? open[0] : open.find(({ port }) => port === awaited)
    if (hit) ready.resolve(hit.port)
  }
  const onFailed = (sentence: string) => ready.reject(new CommandFailed(sentence))
  const onExited = ({ code, signal, outOfMemory }: GuestExit) => {
    // What it wrote last may still be on its way through the other port.
    setTimeout(() => {
      if (outOfMemory) ready.reject(new OutOfMemory(release.memoryMib))
      else ready.reject(new CrashedAtStart(signal > 0 ? `signal ${signal}` : `exit code ${code}`, lastLines.lines))
    }, 50)
  }
  const onBroken = (error: Error) => ready.reject(error)
  guest.on('listeners', onListeners).on('failed', onFailed).on('exited', onExited)
  instance.on('broken', onBroken)
  const timer = setTimeout(() => {
    void guest
      .listeners()
      .catch((): GuestListener[] => [])
      .then((open) => ready.reject(new PortNotOpen(awaited, open, release.startDeadlineMs, lastLines.lines)))
  }, release.startDeadlineMs)
  try {
    guest.identify(await identity())
    return await ready.promise
  } finally {
    clearTimeout(timer)
    guest.off('listeners', onListeners).off('failed', onFailed).off('exited', onExited)
    instance.off('broken', onBroken)
  }
}
