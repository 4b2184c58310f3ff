import { randomFillSync } from 'node:crypto'

declare const brand: unique symbol
type Id<Name extends string> = string & { readonly [brand]: Name }

/** Ids are branded so that two of them cannot be swapped by mistake; at run time they are plain strings. */
export type TeamId = Id<'team'>
export type AppName = Id<'app'>
export type NodeId = Id<'node'>
export type EdgeId = Id<'edge'>
export type InstanceId = Id<'instance'>
export type HoldId = Id<'hold'>
/** `sha256:…` of an OCI image manifest. */
export type ImageDigest = Id<'image'>

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz' // Crockford's: no i, l, o, u

/** Drawn ahead: asking the kernel each time would cost more than all the rest of a hold's grant. */
const pool = Buffer.alloc(1024)
let drawn = pool.length

function randomByte(): number {
  if (drawn === pool.length) {
    randomFillSync(pool)
    drawn = 0
  }
  return pool[drawn++]!
}

/** A short random id with a readable prefix: `i-7k2mq0v9`; 8 characters are 40 bits. */
export function newId<T extends InstanceId | HoldId | NodeId | EdgeId>(prefix: string, length = 8): T {
  let text = ''
  for (let index = 0; index < length; index++) text += alphabet[randomByte() & 31]
  return `${prefix}-${text}` as T
}

export const teamId = (text: string) => text as TeamId
export const appName = (text: string) => text as AppName
export const nodeId = (text: string) => text as NodeId
export const edgeId = (text: string) => text as EdgeId
export const instanceId = (text: string) => text as InstanceId
export const holdId = (text: string) => text as HoldId
export const imageDigest = (text: string) => text as ImageDigest
