import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { cachePaths } from '../core/paths.ts'
import { NatsServerMissing } from './errors.ts'

/** 2.9 refuses `sync_interval`, 2.10 silently ignores the TTL of a key; both would lose what we promise to keep. */
export const oldestNatsServer = '2.11.0'

/** The nats-server to run: the operator's ($LITTLE_NATS), one on PATH that is new enough, or the one the set-up fetched. */
export async function findNatsServer(cache?: string): Promise<string> {
  const own = process.env.LITTLE_NATS
  if (own) {
    const version = await natsServerVersion(own)
    if (version && isNewEnough(version)) return own
    throw new NatsServerMissing(`LITTLE_NATS is ${own}, ${version ? `version ${version}` : 'which does not run'}`)
  }
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'nats-server'))
  for (const path of [...onPath, cachePaths(cache).natsServer]) {
    const version = await natsServerVersion(path)
    if (version && isNewEnough(version)) return path
  }
  throw new NatsServerMissing(`no nats-server ≥ ${oldestNatsServer} was found`)
}

/** `2.15.1`, or undefined if the file is not a nats-server that runs here. */
export async function natsServerVersion(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK)
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 5_000 })
    return /v(\d+\.\d+\.\d+)/.exec(stdout)?.[1]
  } catch {
    return undefined
  }
}

export function isNewEnough(version: string): boolean {
  const [have, need] = [version, oldestNatsServer].map((text) => text.split('.').map(Number))
  for (const [i, least] of need!.entries()) {
    const part = have![i] ?? 0
    if (part !== least) return part > least
  }
  return true
}
