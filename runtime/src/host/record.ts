import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { appName, imageDigest, instanceId, teamId } from '../core/ids.ts'
import { Egress } from '../model/egress.ts'
import { defaultMaxAwakeMs } from '../model/release.ts'

/** What an instance's folder says of it: all that a restarted agent needs to take it over or to clean it up. */
export const InstanceRecord = z.object({
  id: z.string().transform(instanceId),
  team: z.string().transform(teamId),
  app: z.string().transform(appName),
  release: z.number().int(),
  /** Of the image: names the template, which its memory is written over. */
  digest: z.string().transform(imageDigest),
  incarnation: z.number().int(),
  address: z.string(),
  tap: z.string(),
  egress: Egress.prefault({}),
  uid: z.number().int(),
  vcpus: z.number().int(),
  memoryMib: z.number().int(),
  createdAt: z.number(),
  /** How long files in the guest may keep it awake. */
  maxAwakeMs: z.number().int().default(defaultMaxAwakeMs),
  /** Where it takes requests; known once it is ready. */
  port: z.number().int().optional(),
  keepConnections: z.boolean(),
  /** True from the first time it was parked: before that it is of no use to a restarted agent. */
  ready: z.boolean(),
  /** Known from the first time it was suspended: the memory it had then, MiB. */
  suspended: z.object({ ownMib: z.number() }).optional(),
})
export type InstanceRecord = z.infer<typeof InstanceRecord>

export async function writeRecord(dir: string, record: InstanceRecord) {
  const path = join(dir, 'instance.json')
  await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 })
  await rename(`${path}.new`, path)
}

/** Undefined if the folder holds no readable record: then there is nothing to take over. */
export async function readRecord(dir: string): Promise<InstanceRecord | undefined> {
  try {
    return InstanceRecord.parse(JSON.parse(await readFile(join(dir, 'instance.json'), 'utf8')))
  } catch {
    return undefined
  }
}
