import { makeImage } from './make-image.ts'

const inFlight = new Map<string, Promise<string>>()

/** A reference to deploy of one of the examples or of redis and postgres; made at the first call, then found in the cache. */
export function ensureExampleImage(name: string): Promise<string> {
  const running = inFlight.get(name)
  if (running) return running
  const made = makeImage(name).then((archive) => `docker-archive:${archive}`)
  inFlight.set(name, made)
  made.catch(() => inFlight.delete(name))
  return made
}
