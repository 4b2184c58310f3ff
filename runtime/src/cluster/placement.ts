import { z } from 'zod'

/** What one node has of an app. A missing key means: end what is left of it. */
export const Placement = z.object({
  /** Releases of which it always has an instance: those that take requests, and one that is being prepared. */
  ready: z.array(z.number().int()),
  /** A release whose instance stays asleep until then (ms since the epoch), unless its memory is needed. */
  kept: z.object({ release: z.number().int(), until: z.number() }).optional(),
})
export type Placement = z.infer<typeof Placement>

/** Whether the node has, or will have, an instance of the release. */
export const has = ({ ready, kept }: Placement, release: number): boolean =>
  ready.includes(release) || kept?.release === release
