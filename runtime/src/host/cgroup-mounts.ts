import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** One mounted tree of control groups and which of our limits it can set. */
export interface Hierarchy {
  version: 1 | 2
  path: string
  controllers: ('memory' | 'pids')[]
}

/** What this machine offers, best first: one v2 tree with both limits, or the v1 trees of memory and pids. */
export async function hierarchies(): Promise<Hierarchy[][]> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' '))
  const unified = mounts.find((fields) => fields[2] === 'cgroup2')?.[1]
  const choices: Hierarchy[][] = []
  if (unified && (await offersBoth(unified)))
    choices.push([{ version: 2, path: unified, controllers: ['memory', 'pids'] }])
  const memory = v1Mount(mounts, 'memory')
  const pids = v1Mount(mounts, 'pids')
  if (memory && memory === pids) choices.push([{ version: 1, path: memory, controllers: ['memory', 'pids'] }])
  else if (memory && pids) {
    choices.push([
      { version: 1, path: memory, controllers: ['memory'] },
      { version: 1, path: pids, controllers: ['pids'] },
    ])
  }
  return choices
}

async function offersBoth(unified: string): Promise<boolean> {
  const offered = await readFile(join(unified, 'cgroup.controllers'), 'utf8').catch(() => '')
  return ['memory', 'pids'].every((name) => offered.split(/\s/).includes(name))
}

const v1Mount = (mounts: string[][], controller: string) =>
  mounts.find((fields) => fields[2] === 'cgroup' && fields[3]?.split(',').includes(controller))?.[1]
