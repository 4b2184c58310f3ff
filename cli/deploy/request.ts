import type { DeployRequest } from '../../sdk/src/index.ts'
import type { Port } from '../flags.ts'
import { readSecrets } from './secrets.ts'

export interface DeployFlags {
  name?: string
  port?: Port
  memory: number
  cpus: number
  concurrency?: { soft: number; hard: number }
  idle?: number
  maxAwake?: number
  env?: string[]
  secret?: string[]
  max?: number
  maxBusy?: number
  spares: number | 'auto'
  warm?: { path: string; times: number }
  clone?: 'warm'
  canary?: number
  egress?: string[]
  egressDeny?: string[]
  ephemeral?: boolean
  alwaysParked?: boolean
  insecureRegistry?: boolean
  json?: boolean
}

/** The flags as the API takes them; asks for secrets where nothing else gives them. */
export async function deployRequest(image: string, command: string[], flags: DeployFlags): Promise<DeployRequest> {
  return {
    image,
    ...flags.port,
    memoryMib: flags.memory,
    cpus: flags.cpus,
    concurrency: flags.concurrency,
    idleMs: flags.idle,
    maxAwakeMs: flags.maxAwake,
    maxBusyMs: flags.maxBusy,
    env: flags.env,
    secrets: flags.secret && (await readSecrets(flags.secret)),
    command: command.length > 0 ? command : undefined,
    warm: flags.warm,
    clone: flags.clone,
    maxInstances: flags.max,
    spares: flags.spares,
    canary: flags.canary,
    egress: { allow: flags.egress, deny: flags.egressDeny },
    ephemeral: flags.ephemeral,
    alwaysParked: flags.alwaysParked,
    insecureRegistry: flags.insecureRegistry,
  }
}
