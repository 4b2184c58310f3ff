import type { z } from 'zod'
import { Unreadable } from './errors.ts'

/** Everything on the wire and in the KV is JSON in UTF-8: a person can read it with any NATS tool. */
export const encode = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))

/** Throws Unreadable, naming where it came from. */
export function decode<T>(bytes: Uint8Array, schema: z.ZodType<T>, where: string): T {
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()))
  } catch (error) {
    throw new Unreadable(where, error)
  }
}
