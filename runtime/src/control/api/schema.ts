import { z } from 'zod'
import { Egress } from '../../model/egress.ts'
import { defaultMaxAwakeMs } from '../../model/release.ts'
import { Memory } from '../soft-state.ts'

/** A whole number within a range; its error names the range and what was given. */
const within = (min: number, max: number, unit = '') => {
  const error = ({ input }: { input?: unknown }) =>
    `must be a whole number from ${min} to ${max}${unit && ` ${unit}`}, not ${JSON.stringify(input)}`
  return z.int({ error }).min(min, { error }).max(max, { error })
}

const text = (max: number) => z.string().max(max)
const envName = /^[A-Za-z_][A-Za-z0-9_.-]*$/
const noNul = (value: string) => !value.includes('\0')

/** Limits are chosen wide: they stop slips and abuse, not uses. What a node really has is checked by placement. */
const Settings = z.strictObject({
  image: text(4096).min(1).refine(noNul, 'must not hold a NUL'),
  port: within(1, 65_535).optional(),
  protocol: z.enum(['http', 'tcp']).default('http'),
  /** For TCP: the port of the edges that is the app's; default: the same as its own. */
  hostPort: within(1, 65_535).optional(),
  /** The kernel needs it to boot: with 72 MiB it ends while it unpacks itself, with 80 an empty guest starts. */
  memoryMib: within(80, 1_048_576, 'MiB').default(256),
  cpus: within(1, 64).default(1),
  concurrency: z
    .strictObject({ soft: within(1, 10_000), hard: within(1, 10_000) })
    .refine(({ soft, hard }) => hard >= soft, { error: 'the hard limit must not be below the soft one' })
    .optional(),
  idleMs: within(10, 10_000, 'ms').default(1_000),
  maxAwakeMs: within(1_000, 86_400_000, 'ms').default(defaultMaxAwakeMs),
  maxBusyMs: within(0, 86_400_000, 'ms').optional(),
  env: z
    .array(
      text(131_072)
        .refine(noNul)
        .regex(/^[^=]+=/, 'must be NAME=value'),
    )
    .max(1_000)
    .default([]),
  secrets: z.record(text(256).regex(envName), text(131_072).refine(noNul).nullable()).default({}),
  command: z.array(text(131_072).refine(noNul)).min(1).max(1_000).optional(),
  warm: z
    .strictObject({ path: text(2_048).regex(/^\/[!-~]*$/, 'must be a path that begins with /'), times: within(0, 100) })
    .optional(),
  clone: z.literal('warm').optional(),
  maxInstances: within(1, 1_000).optional(),
  spares: z.union([z.literal('auto'), within(0, 100)]).default('auto'),
  egress: Egress.prefault({}),
  ephemeral: z.boolean().default(false),
  alwaysParked: z.boolean().default(false),
  insecureRegistry: z.boolean().default(false),
  /** Percent of the requests that the new release gets beside the live one, until it is promoted or rolled back. */
  canary: within(1, 99).optional(),
})

export const DeployRequest = Settings.refine(({ protocol, port }) => protocol === 'http' || port !== undefined, {
  error: 'TCP needs a port',
  path: ['port'],
})
  .refine(({ protocol, hostPort }) => protocol === 'tcp' || hostPort === undefined, {
    error: 'only TCP apps have a port of the edges of their own',
    path: ['hostPort'],
  })
  .refine(({ protocol, warm }) => protocol === 'http' || warm === undefined, {
    error: 'no HTTP is sent to a TCP app',
    path: ['warm'],
  })
  .refine(({ ephemeral, alwaysParked }) => !(ephemeral && alwaysParked), {
    error: 'an app is ephemeral or always parked, not both',
    path: ['ephemeral'],
  })
export type DeployRequest = z.infer<typeof DeployRequest>

/** The port of the edges that the app is to have; undefined: it speaks HTTP. */
export const hostPortOf = ({ protocol, port, hostPort }: DeployRequest) =>
  protocol === 'tcp' ? (hostPort ?? port) : undefined

export const RollbackRequest = z.strictObject({ release: within(1, 2 ** 31 - 1).optional() })
export type RollbackRequest = z.infer<typeof RollbackRequest>

export const ErrorBody = z.object({
  error: z.object({ code: z.string(), message: z.string(), hint: z.string(), status: z.number().optional() }),
})

export const AppView = z.object({
  name: z.string(),
  team: z.string(),
  url: z.string(),
  state: z.enum(['deploying', 'live', 'stopped']),
  release: z.number(),
  canary: z.object({ release: z.number(), percent: z.number() }).optional(),
  image: z.string(),
  memoryMib: z.number(),
  cpus: z.number(),
  createdAt: z.number(),
  deployedAt: z.number(),
})
export type AppView = z.infer<typeof AppView>

export const ReleaseView = z.object({
  number: z.number(),
  state: z.enum(['live', 'canary', 'kept', 'replaced', 'failed', 'deploying']),
  /** Of the requests, if it is a canary. */
  percent: z.number().optional(),
  image: z.string(),
  digest: z.string(),
  createdAt: z.number(),
  createdBy: z.string(),
  failure: z.object({ code: z.string(), message: z.string() }).optional(),
})
export type ReleaseView = z.infer<typeof ReleaseView>

export const InstanceView = z.object({
  id: z.string(),
  app: z.string(),
  release: z.number(),
  node: z.string(),
  state: z.string(),
  incarnation: z.number(),
  memoryMib: z.number(),
  requests: z.number(),
  sinceMs: z.number(),
  /** By the image's HEALTHCHECK, looked at while it is awake; absent: it has none. */
  health: z.enum(['healthy', 'failing', 'unhealthy']).optional(),
})
export type InstanceView = z.infer<typeof InstanceView>

export const NodeView = z.object({
  id: z.string(),
  region: z.string(),
  isolation: z.enum(['hardware', 'emulated']),
  accelerator: z.enum(['kvm', 'tcg']),
  cpus: z.number(),
  memoryMib: z.number(),
  freeMib: z.number().optional(),
  /** Of instances: what they may use, use, and have reserved; and how many there are by state. */
  memory: Memory.optional(),
  load: z.number().optional(),
  silentMs: z.number().optional(),
  instances: z.record(z.string(), z.object({ count: z.number(), memoryMib: z.number() })),
})
export type NodeView = z.infer<typeof NodeView>

export const Status = z.object({
  version: z.string(),
  startedAt: z.number(),
  isolation: z.enum(['hardware', 'emulated', 'mixed', 'none']),
  roles: z.array(
    z.object({ role: z.string(), name: z.string(), state: z.enum(['ok', 'silent', 'away']), fact: z.string() }),
  ),
  nodes: z.array(NodeView),
  warnings: z.array(z.string()),
})
export type Status = z.infer<typeof Status>

export const WhoAmI = z.object({ team: z.string(), name: z.string(), role: z.enum(['owner', 'node']) })
export const Upload = z.object({ reference: z.string(), bytes: z.number() })
