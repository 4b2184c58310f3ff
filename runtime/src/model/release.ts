import { z } from 'zod'
import { appName, imageDigest, teamId } from '../core/ids.ts'
import { Egress } from './egress.ts'

/** What of an OCI image config a run needs; every field of it is honoured. */
export const ImageConfig = z.object({
  entrypoint: z.array(z.string()).default([]),
  cmd: z.array(z.string()).default([]),
  env: z.array(z.string()).default([]),
  workingDir: z.string().default(''),
  /** name | uid | name:group | uid:gid, as in the image */
  user: z.string().default(''),
  /** TCP ports only, in the image's order. */
  exposedPorts: z.array(z.number().int()).default([]),
  volumes: z.array(z.string()).default([]),
  stopSignal: z.string().default('SIGTERM'),
  healthcheck: z
    .object({
      /** As in Docker: ['NONE'] | ['CMD', …args] | ['CMD-SHELL', command] */
      test: z.array(z.string()),
      intervalMs: z.number(),
      timeoutMs: z.number(),
      startPeriodMs: z.number(),
      retries: z.number(),
    })
    .optional(),
  labels: z.record(z.string(), z.string()).default({}),
})
export type ImageConfig = z.infer<typeof ImageConfig>

/** Of releases that were made before it could be chosen, too. */
export const defaultMaxAwakeMs = 5 * 60_000

/** One immutable version of an app. Secrets are kept apart and are not in it. */
export const Release = z.object({
  team: z.string().transform(teamId),
  app: z.string().transform(appName),
  /** 1, 2, 3 … */
  number: z.number().int().positive(),
  createdAt: z.number(),
  createdBy: z.string(),
  image: z.object({
    /** As the person named it. */
    reference: z.string(),
    digest: z.string().transform(imageDigest),
    rootBytes: z.number().int(),
  }),
  config: ImageConfig,
  /** The person's own `-e` values, after the image's; sealed (model/secrets.ts), for people put more there than they should. */
  sealedEnv: z.string(),
  /** Replaces the image's Cmd where given. */
  command: z.array(z.string()).optional(),
  /** The one port that requests go to; undefined: the first exposed port, or the first port that opens. */
  port: z.number().int().optional(),
  /** Set for an app that speaks TCP and not HTTP: what edges get at this port of theirs goes to `port`. */
  tcp: z.object({ hostPort: z.number().int() }).optional(),
  memoryMib: z.number().int(),
  cpus: z.number().int(),
  /** Requests one instance takes before a further one is used (soft), and at the most (hard). */
  concurrency: z.object({ soft: z.number().int().positive(), hard: z.number().int().positive() }),
  idleMs: z.number().int(),
  /** How long files in the guest may keep an instance awake that no request needs. */
  maxAwakeMs: z.number().int().default(defaultMaxAwakeMs),
  /** How long a client of a tunnel (TCP, WebSocket) that spoke last may wait for an answer before silence is idleness. */
  maxBusyMs: z.number().int().optional(),
  maxInstances: z.number().int().positive(),
  /** Further instances parked ahead of need; 'auto' follows the bursts that the app has shown. */
  spares: z.union([z.literal('auto'), z.number().int().nonnegative()]),
  /** Further instances are copies of the first one's memory once that is warmed up. */
  clone: z.literal('warm').optional(),
  /** Under memory pressure its instances are ended, and started anew by the next request. */
  ephemeral: z.boolean().default(false),
  /** Its memory is reserved: it never leaves it. */
  alwaysParked: z.boolean().default(false),
  warm: z.object({ path: z.string(), times: z.number().int() }).optional(),
  egress: Egress.prefault({}),
  /** How long a request may wait for an instance, ms. */
  wakeDeadlineMs: z.number().int(),
  /** How long a start may take until the port opens, ms. */
  startDeadlineMs: z.number().int(),
  /** Set once, if it never came to serve: the only thing of a release that is written later. */
  failure: z.object({ code: z.string(), message: z.string(), at: z.number() }).optional(),
})
export type Release = z.infer<typeof Release>
