import { access, constants, readFile } from 'node:fs/promises'
import { type Finding, ok, warn } from './check.ts'

/** Which cgroups an instance's limits on memory and processes can be set with. */
export async function cgroups(): Promise<Finding[]> {
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').map((line) => line.split(' '))
  const v2 = mounts.find(([, , type]) => type === 'cgroup2')?.[1]
  const controllers = v2 ? (await readFile(`${v2}/cgroup.controllers`, 'utf8').catch(() => '')).trim().split(' ') : []
  if (v2 && controllers.includes('memory') && controllers.includes('pids')) return [await writable('v2', v2)]

  const v1 = (name: string) =>
    mounts.find(([, , type, options]) => type === 'cgroup' && options?.split(',').includes(name))?.[1]
  const memory = v1('memory')
  if (memory && v1('pids')) return [await writable('v1 (memory, pids)', memory)]
  const next =
    'Mount cgroup v2 with the memory and pids controllers; without them a broken QEMU is not limited in memory'
  return [warn('cgroups', 'neither version offers memory and pids', next)]
}

async function writable(version: string, folder: string): Promise<Finding> {
  const denied = await access(folder, constants.W_OK).catch((error: Error) => error)
  if (!denied) return ok('cgroups', version)
  return warn(
    'cgroups',
    `${version}, but ${folder} is read-only`,
    'In a container, start it with --privileged or --cgroupns=private',
  )
}
