import { LittleError } from '../core/errors.ts'
import { frameMax } from './guest-frames.ts'

/** What makes a copy of a template into one instance. */
export interface Identity {
  hostname: string
  /** IPv4 address of eth0; none: the guest has nothing but its loopback. */
  ip?: string
  /** The next hop, on link, and its MAC, so that the guest never has to ask for it. */
  gw?: string
  gwmac?: string
  dns?: string[]
  /** 64 random bytes of this instance alone. */
  entropy: Uint8Array
  /** name | uid | name:group | uid:gid; empty: root. */
  user: string
  /** Empty: the root folder. */
  cwd: string
  /** In order, later ones win. */
  env: string[]
  /** Entrypoint and command. */
  args: string[]
  volumes: string[]
  /** A number, e.g. 15. */
  stopSignal: number
  /** Awaited ports; none: any port that is open to the outside. */
  ports: number[]
}

export class IdentityTooLarge extends LittleError {
  readonly code = 'guest.identity_too_large'
  readonly status = 422
  readonly hint = 'Put large values into a file of the image instead of its environment or command'
  constructor(byteCount: number) {
    super(`environment and command are ${byteCount} bytes long, the guest takes ${frameMax - 1}`)
  }
}

/** The payload of `identity`: NUL-terminated `key=value` records, with the time of this moment. @throws IdentityTooLarge */
export function encodeIdentity(identity: Identity): Buffer {
  const { ip, gw, gwmac } = identity
  const records: Record[] = [
    ['entropy', Buffer.from(identity.entropy).toString('hex')],
    ['time', String(BigInt(Date.now()) * 1_000_000n)],
    ['hostname', identity.hostname],
    ['user', identity.user],
    ['cwd', identity.cwd],
    ['stopsignal', String(identity.stopSignal)],
  ]
  if (ip !== undefined) records.push(['ip', ip])
  if (gw !== undefined) records.push(['gw', gw])
  if (gwmac !== undefined) records.push(['gwmac', gwmac])
  const add = (key: string, values: string[]) => {
    for (const value of values) records.push([key, value])
  }
  add('dns', identity.dns ?? [])
  add('env', identity.env)
  add('arg', identity.args)
  add('vol', identity.volumes)
  add('port', identity.ports.map(String))
  const payload = encodeRecords(records)
  if (payload.length >= frameMax) throw new IdentityTooLarge(payload.length)
  return payload
}

/** What a copy of an instance has of its own; all else it shares with the original. */
export type Renewal = Pick<Identity, 'entropy' | 'ip'>

/** The payload of `copy`: records as those of an identity. */
export function encodeRenewal({ entropy, ip }: Renewal): Buffer {
  const records: Record[] = [
    ['entropy', Buffer.from(entropy).toString('hex')],
    ['time', String(BigInt(Date.now()) * 1_000_000n)],
  ]
  if (ip !== undefined) records.push(['ip', ip])
  return encodeRecords(records)
}

type Record = [key: string, value: string]

/** A NUL would end a record early and let its rest pass for another; no path, argument or variable can hold one anyway. */
export function encodeRecords(records: Record[]): Buffer {
  return Buffer.from(records.map(([key, value]) => `${key}=${value.replaceAll('\0', '')}\0`).join(''))
}
