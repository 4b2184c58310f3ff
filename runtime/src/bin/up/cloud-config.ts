import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { LittleError } from '../../core/errors.ts'
import { type EdgeId, type NodeId, newId } from '../../core/ids.ts'
import { freePort } from './ports.ts'

const port = z.coerce.number().int().min(1).max(65535)

/** What one machine's cloud keeps the same over restarts. */
const CloudConfig = z.object({
  node: z.string(),
  edge: z.string(),
  /** Only on loopback; chosen once. */
  natsPort: port,
  edgePort: port,
  apiPort: port,
  subnet: z.string(),
})
export type CloudConfig = z.infer<typeof CloudConfig>

export class BadCloudConfig extends LittleError {
  readonly code = 'up.bad_config'
  readonly status = 400
  readonly hint: string
  constructor(where: string, reason: string) {
    super(`${where}: ${reason}`)
    this.hint = where.startsWith('LITTLE_')
      ? `Set ${where} to a port between 1 and 65535`
      : `Put ${where} right or remove it`
  }
}

/** Read from `<data>/cloud.json`, made at the first start; LITTLE_EDGE_PORT and LITTLE_API_PORT win and are kept. */
export async function cloudConfig(data: string): Promise<CloudConfig> {
  const path = join(data, 'cloud.json')
  const text = await readFile(path, 'utf8').catch(() => undefined)
  const config = text === undefined ? await newConfig() : parse(path, text)
  for (const [variable, key] of [
    ['LITTLE_EDGE_PORT', 'edgePort'],
    ['LITTLE_API_PORT', 'apiPort'],
  ] as const) {
    const given = process.env[variable]
    if (given === undefined) continue
    const parsed = port.safeParse(given)
    if (!parsed.success) throw new BadCloudConfig(variable, `'${given}' is not a port`)
    config[key] = parsed.data
  }
  if (process.env.LITTLE_SUBNET) config.subnet = process.env.LITTLE_SUBNET
  await writeFile(`${path}.new`, JSON.stringify(config, null, 2), { mode: 0o600 })
  await rename(`${path}.new`, path)
  return config
}

const newConfig = async (): Promise<CloudConfig> => ({
  node: newId<NodeId>('n'),
  edge: newId<EdgeId>('e'),
  natsPort: await freePort(),
  edgePort: 8080,
  apiPort: 8090,
  subnet: '10.77.0.0/16',
})

function parse(path: string, text: string): CloudConfig {
  try {
    return CloudConfig.parse(JSON.parse(text))
  } catch (error) {
    throw new BadCloudConfig(path, (error as Error).message)
  }
}
