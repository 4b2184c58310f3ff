import { z } from 'zod'

const pattern = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/

/** An IPv4 address or network, `203.0.113.7` or `203.0.113.0/24`; written as the network that it lies in. */
export const Cidr = z
  .string()
  .refine((text) => rangeOf(text) !== undefined, {
    error: ({ input }) => `must be an IPv4 address or network such as 203.0.113.0/24, not ${JSON.stringify(input)}`,
  })
  .transform((text) => written(rangeOf(text)!))

/**
 * Where the connections of an app's own go. The host, its neighbourhood and other guests are closed to all of them,
 * whatever stands here.
 */
export const Egress = z.strictObject({
  /** Only there; absent: to the whole internet; empty: nowhere, and no name is answered. */
  allow: z.array(Cidr).max(256).optional(),
  /** Not there, also where `allow` contains it. */
  deny: z.array(Cidr).max(256).default([]),
})
export type Egress = z.infer<typeof Egress>

/** Without what another one of them contains: networks contain each other or are apart. */
export function distinct(cidrs: readonly string[]): string[] {
  const ranges = [...new Set(cidrs)].map((cidr) => rangeOf(cidr)!)
  const contains = (outer: Range, inner: Range) =>
    outer.bits < inner.bits && masked(inner.first, outer.bits) === outer.first
  return ranges.filter((range) => !ranges.some((other) => contains(other, range))).map(written)
}

interface Range {
  first: number
  bits: number
}

function rangeOf(text: string): Range | undefined {
  const match = pattern.exec(text)
  if (!match) return undefined
  const parts = match.slice(1, 5).map(Number)
  const bits = Number(match[5] ?? 32)
  if (parts.some((part) => part > 255) || bits > 32) return undefined
  return {
    first: masked(
      parts.reduce((sum, part) => sum * 256 + part, 0),
      bits,
    ),
    bits,
  }
}

const masked = (address: number, bits: number) => address - (address % 2 ** (32 - bits))

function written({ first, bits }: Range): string {
  const parts = [first / 2 ** 24, first / 2 ** 16, first / 2 ** 8, first].map((part) => Math.floor(part) % 256)
  return bits === 32 ? parts.join('.') : `${parts.join('.')}/${bits}`
}
