import { z } from 'zod'
import { NatsConfig } from '../cluster/connect.ts'
import type { Release } from '../model/release.ts'

/**
 * How long a node may take from one step of a start to the next, ms. A template means: fetch the image, boot a kernel,
 * save it; emulated on two busy cores that has taken 40 s. A start's own limit (release.startDeadlineMs) comes on top.
 */
const StepLimits = z.object({
  template: z.number().default(300_000),
  start: z.number().default(30_000),
  warm: z.number().default(90_000),
  parked: z.number().default(30_000),
})

/** What `little up` hands the control. */
export const ControlConfig = z.object({
  nats: NatsConfig,
  dataDir: z.string(),
  /** 32 bytes in hex, shared with the hosts: seals secrets. Made by the control if it is missing. */
  clusterKey: z.string(),
  listen: z.object({ host: z.string(), port: z.number().int() }).default({ host: '127.0.0.1', port: 8090 }),
  /** Where people reach apps: `http://<app>.<domain>:<edgePort>`. */
  domain: z.string().default('localhost'),
  edgePort: z.number().int().default(8080),
  stepLimitsMs: StepLimits.prefault({}),
})
export type ControlConfig = z.infer<typeof ControlConfig>

export type Addresses = Pick<ControlConfig, 'domain' | 'edgePort'>

export const hostnameOf = (app: string, { domain }: Addresses) => `${app}.${domain}`
/** Where people reach an app. Only browsers know that *.localhost is this machine, so databases' clients get the name alone. */
export function addressOf(hostname: string, release: Pick<Release, 'tcp'> | undefined, addresses: Addresses): string {
  if (!release?.tcp) return urlOf(hostname, addresses)
  return `tcp://${addresses.domain === 'localhost' ? 'localhost' : hostname}:${release.tcp.hostPort}`
}
const urlOf = (hostname: string, { edgePort }: Addresses) =>
  edgePort === 80 ? `http://${hostname}` : `http://${hostname}:${edgePort}`
