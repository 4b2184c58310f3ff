import { randomBytes } from 'node:crypto'

/** What makes a copy of a template into one instance. */
export interface GuestIdentity {
  hostname: string
  /** None: the guest has nothing but its loopback. The gateway is on link; its MAC is given so that nobody has to ask. */
  network?: { ip: string; gateway: string; gatewayMac: string; dns: string[] }
  /** name | uid | name:group | uid:gid; empty: root. */
  user: string
  /** Empty: the root folder. */
  workingDir: string
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

/** The payload of `identity`: NUL-terminated `key=value` records, with the time and 64 random bytes of this moment. */
export function encodeIdentity(identity: GuestIdentity): Buffer {
  const { network } = identity
  const records: Record[] = [
    ['entropy', randomBytes(64).toString('hex')],
    ['time', String(BigInt(Date.now()) * 1_000_000n)],
    ['hostname', identity.hostname],
    ['user', identity.user],
    ['cwd', identity.workingDir],
    ['stopsignal', String(identity.stopSignal)],
  ]
  if (network) records.push(['ip', network.ip], ['gw', network.gateway], ['gwmac', network.gatewayMac])
  const add = (key: string, values: string[]) => {
    for (const value of values) records.push([key, value])
  }
  add('dns', network?.dns ?? [])
  add('env', identity.env)
  add('arg', identity.args)
  add('vol', identity.volumes)
  add('port', identity.ports.map(String))
  return encodeRecords(records)
}

type Record = [key: string, value: string]

/** A NUL would end a record early and let its rest pass for another; no path, argument or variable can hold one anyway. */
export function encodeRecords(records: Record[]): Buffer {
  return Buffer.from(records.map(([key, value]) => `${key}=${value.replaceAll('\0', '')}\0`).join(''))
}
