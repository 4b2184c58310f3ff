import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { findLaunched } from '../vm/launch.ts'
import { Cgroups } from './cgroup.ts'
import type { HostConfig } from './config.ts'
import { HostNetwork } from './network.ts'
import { endStrayLaunchers } from './reconcile.ts'
import { forgetSuspendKey } from './suspend-key.ts'

/**
 * Removes everything a host agent may have left on this machine when it was killed and no next one will come. Returns
 * what there was, for people. The agent must not be running.
 */
export async function sweepHost({ node, subnet, dataDir }: HostConfig): Promise<string[]> {
  const found: string[] = []
  const instances = join(dataDir, 'instances')
  const folders = await readdir(instances).catch(() => [] as string[])
  for (const folder of folders) {
    const process = await findLaunched(join(instances, folder))
    process?.kill()
    await process?.gone()
    await rm(join(instances, folder), { recursive: true, force: true })
  }
  await endStrayLaunchers(dataDir, new Set())
  await rm(join(dataDir, 'warm'), { recursive: true, force: true })
  await forgetSuspendKey(node, instances)
  if (folders.length > 0) found.push(count(folders.length, 'instance'))
  const network = await HostNetwork.open({ node, subnet })
  const taps = await network.list()
  await network.close()
  if (taps.length > 0) found.push(count(taps.length, 'tap'))
  const cgroups = await Cgroups.open(node).catch(() => undefined)
  for (const id of (await cgroups?.list()) ?? []) await cgroups?.remove(id)
  await cgroups?.close()
  return found
}

const count = (number: number, thing: string) => `${number} ${thing}${number === 1 ? '' : 's'}`
