import type { Release } from '../model/release.ts'
import type { Identity } from '../vm/guest-identity.ts'
import type { GuestExit, GuestListener } from '../vm/guest-messages.ts'
import type { Instance } from './instance.ts'
import type { LastLines } from './last-lines.ts'
import { CommandFailed, CrashedAtStart, OutOfMemory, PortNotOpen, StartCalledOff } from './start-errors.ts'

/** Another port than the awaited one is open that long, or that one for the guest itself only: most likely a mistake. */
const otherPortMs = 20_000

interface Starting {
  instance: Instance
  release: Release
  lastLines: LastLines
  identity: Identity
  signal: AbortSignal
}

/** Gives the guest its identity and resolves with the port it takes requests on, once that is open. */
export async function awaitReady({ instance, release, lastLines, identity, signal }: Starting): Promise<number> {
  const { guest } = instance.vm
  const awaited = release.port ?? release.config.exposedPorts[0]
  const begun = performance.now()
  const ready = Promise.withResolvers<number>()
  const giveUp = () =>
    void guest
      .listeners()
      .catch((): GuestListener[] => [])
      .then((open) => ready.reject(new PortNotOpen(awaited, open, performance.now() - begun, lastLines.lines)))
  const deadline = setTimeout(giveUp, release.startDeadlineMs)
  let other: NodeJS.Timeout | undefined
  const onListeners = (listeners: GuestListener[]) => {
    const open = listeners.filter(({ loopback }) => !loopback)
    const hit = awaited === undefined ? open[0] : open.find(({ port }) => port === awaited)
    if (hit) ready.resolve(hit.port)
    else if (open.length > 0 || listeners.some(({ port }) => port === awaited))
      other ??= setTimeout(giveUp, otherPortMs)
  }
  const onFailed = (sentence: string) => ready.reject(new CommandFailed(sentence))
  const onExited = ({ code, signal: by, outOfMemory }: GuestExit) => {
    // What it wrote last may still be on its way through the other port.
    setTimeout(() => {
      if (outOfMemory) ready.reject(new OutOfMemory(release.memoryMib))
      else ready.reject(new CrashedAtStart(by > 0 ? `signal ${by}` : `exit code ${code}`, lastLines.lines))
    }, 50)
  }
  const onBroken = (error: Error) => ready.reject(error)
  const onCalledOff = () => ready.reject(new StartCalledOff())
  guest.on('listeners', onListeners).on('failed', onFailed).on('exited', onExited)
  instance.on('broken', onBroken)
  signal.addEventListener('abort', onCalledOff)
  try {
    guest.identify(identity)
    return await ready.promise
  } finally {
    clearTimeout(deadline)
    clearTimeout(other)
    guest.off('listeners', onListeners).off('failed', onFailed).off('exited', onExited)
    instance.off('broken', onBroken)
    signal.removeEventListener('abort', onCalledOff)
  }
}
