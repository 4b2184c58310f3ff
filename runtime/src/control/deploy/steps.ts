import { z } from 'zod'

const StepName = z.enum(['plan', 'image', 'place', 'template', 'start', 'warm', 'parked', 'live'])

export const DeployEvent = z.object({
  type: z.enum(['progress', 'step']),
  step: StepName,
  message: z.string(),
  /** Of the step, ms; of a `progress`, until now. */
  tookMs: z.number(),
})
export type DeployEvent = z.infer<typeof DeployEvent>

export const Live = z.object({
  type: z.literal('live'),
  app: z.string(),
  release: z.number(),
  url: z.string(),
  image: z.object({ reference: z.string(), digest: z.string(), rootBytes: z.number() }),
  instance: z.object({
    id: z.string(),
    node: z.string(),
    memoryMib: z.number(),
    cpus: z.number(),
    isolation: z.enum(['hardware', 'emulated']),
  }),
  tookMs: z.number(),
  /** Percent of the requests; absent: all of them. */
  canary: z.number().optional(),
})
export type Live = z.infer<typeof Live>

export type Tell = (event: DeployEvent) => void
