import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { alive } from '../../runtime/src/vm/process.ts'
import type { TestCloud } from '../../test/harness/cloud.ts'

export const victims = ['host', 'edge', 'control', 'billing', 'nats', 'qemu'] as const
export type Victim = (typeof victims)[number]

export interface Kill {
  victim: Victim
  /** Of a killed QEMU. */
  app?: string
  /** ms since the epoch */
  at: number
}

/** kill -9 of one of them, whatever it is doing, also if it has only just begun; undefined: there was none to kill. */
export async function killOne(cloud: TestCloud, victim: Victim, random: () => number): Promise<Kill | undefined> {
  if (victim === 'qemu') return killQemu(cloud, random)
  const { pid, startTime } = cloud.role(victim)
  if (!alive(pid, startTime)) return undefined
  const at = Date.now()
  process.kill(pid, 'SIGKILL')
  return { victim, at }
}

async function killQemu({ dataDir }: TestCloud, random: () => number): Promise<Kill | undefined> {
  const instances = join(dataDir, 'host/instances')
  const folders = await readdir(instances)
  const folder = folders.toSorted()[Math.floor(random() * folders.length)]
  if (folder === undefined) return undefined
  try {
    const { app } = JSON.parse(await readFile(join(instances, folder, 'instance.json'), 'utf8')) as { app: string }
    const [pid, startTime] = (await readFile(join(instances, folder, 'pid'), 'utf8')).split(' ')
    if (!alive(Number(pid), startTime!)) return undefined
    const at = Date.now()
    process.kill(Number(pid), 'SIGKILL')
    return { victim: 'qemu', app, at }
  } catch {
    return undefined // it is just being made, or taken away
  }
}
