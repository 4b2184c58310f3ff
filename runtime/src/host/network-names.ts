import { createHash } from 'node:crypto'
import type { NodeId } from '../core/ids.ts'

/** Names of kernel objects, so that each node finds its own and touches no other's. Interfaces: at most 15 bytes. */
export interface NetworkNames {
  table: string
  /** The interface that has the gateway's address. */
  gateway: string
  /** Every tap begins with it, and nothing else does. */
  tapPrefix: string
}

/** A node's part in the names of what it makes in the kernel. */
export const shortNode = (node: NodeId): string =>
  BigInt(`0x${createHash('sha256').update(node).digest('hex').slice(0, 12)}`)
    .toString(36)
    .padStart(6, '0')
    .slice(-6)

export function networkNames(node: NodeId): NetworkNames {
  const short = shortNode(node)
  return { table: `littlecloud_${short}`, gateway: `lcg${short}`, tapPrefix: `lc${short}-` }
}

/** The tap of an address is named by its place in the subnet, so that either is known by the other. */
export const tapName = (names: NetworkNames, offset: number) => `${names.tapPrefix}${offset.toString(36)}`

/** The place in the subnet that the tap's name tells; undefined for taps without an address. */
export function tapOffset(names: NetworkNames, tap: string): number | undefined {
  const text = tap.startsWith(names.tapPrefix) ? tap.slice(names.tapPrefix.length) : ''
  const offset = /^[0-9a-z]{1,5}$/.test(text) ? Number.parseInt(text, 36) : Number.NaN
  return tapName(names, offset) === tap ? offset : undefined
}
