import { z } from 'zod'

/** The question behind `little cost`. */
export const CostQuery = z.object({
  by: z.enum(['app', 'hour', 'day', 'team']),
  team: z.string().optional(),
  app: z.string().optional(),
  /** ms since the epoch; whole hours: the hour that contains it counts. */
  fromMs: z.number().optional(),
  toMs: z.number().optional(),
})
export type CostQuery = z.infer<typeof CostQuery>

export const CostRow = z.object({
  team: z.string(),
  /** Not with `by: team`. */
  app: z.string().optional(),
  /** Begin of the hour or day (UTC), ms since the epoch; only with `by: hour | day`. */
  atMs: z.number().optional(),
  /** 'prepare' (start, warm-up) is shown apart, at price 0. */
  kind: z.enum(['run', 'prepare']),
  runMs: z.number(),
  vcpuMs: z.number(),
  mibMs: z.number(),
  egressBytes: z.number(),
  requests: z.number(),
  /** An integer as text: it may be larger than a number can hold. */
  microcredits: z.string(),
})
export type CostRow = z.infer<typeof CostRow>

const integer = z.string().regex(/^\d+$/)

/** The rows as they were when all messages of USAGE up to `position` had been counted, and no other. */
export const CostAudit = z.object({
  position: z.number().int(),
  rows: z.array(CostRow),
  /** Micro-credits, as text. */
  prices: z.object({ perVcpuHour: integer, perGibHour: integer, perEgressGb: integer }),
})
export type CostAudit = z.infer<typeof CostAudit>

/** What became of the records of each node, as billing read them; intake.ts of billing has the meaning of each. */
export const Chains = z.object({
  chains: z.array(
    z.object({
      node: z.string(),
      sequence: z.number(),
      missing: z.number(),
      repeated: z.number(),
      broken: z.number(),
      refused: z.number(),
    }),
  ),
  /** Messages of nodes whose key is not known. */
  waiting: z.number(),
})
export type Chains = z.infer<typeof Chains>
