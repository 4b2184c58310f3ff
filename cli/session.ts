import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Client } from '../sdk/src/index.ts'

export interface Login {
  url: string
  token: string
}

const defaultUrl = 'http://localhost:8090'

export const loginFile = () =>
  join(process.env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'littlecloud', 'login.json')

const dataDir = () => process.env.LITTLE_DATA ?? '/var/lib/littlecloud'

/**
 * The cloud to talk to: LITTLE_URL and LITTLE_TOKEN; else what `little login` stored, unless LITTLE_DATA names a cloud
 * on this machine; else this machine's, whose owner's token is found by itself.
 */
export function connect(): Client {
  const login = process.env.LITTLE_DATA ? undefined : readJson<Login>(loginFile())
  const url = process.env.LITTLE_URL ?? login?.url ?? localUrl()
  const stored = login?.url === url ? login.token : undefined
  return new Client({ url, token: process.env.LITTLE_TOKEN ?? stored ?? (isLoopback(url) ? ownerToken() : undefined) })
}

/** True if files named by path can be read by the cloud itself. */
export function isLoopback(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname)
}

function localUrl(): string {
  return readJson<{ apiUrl?: string }>(join(dataDir(), 'run', 'up.json'))?.apiUrl ?? defaultUrl
}

function ownerToken(): string | undefined {
  try {
    return readFileSync(join(dataDir(), 'owner.token'), 'utf8').trim()
  } catch {
    return undefined // not this machine's owner, or no cloud was ever started here
  }
}

function readJson<T>(path: string): (Partial<T> & T) | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T
  } catch {
    return undefined
  }
}
