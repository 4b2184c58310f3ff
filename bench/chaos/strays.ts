import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { nodeId } from '../../runtime/src/core/ids.ts'
import { hierarchies } from '../../runtime/src/host/cgroup-mounts.ts'
import { networkNames, shortNode } from '../../runtime/src/host/network-names.ts'
import type { TestCloud } from '../../test/harness/cloud.ts'

const run = promisify(execFile)

export interface Remains {
  /** What belongs to no instance that the cloud knows of. */
  strays: string[]
  /** Threads of microVMs that have real-time priority though nothing wakes. */
  realtime_threads: number
}

/** Looks while the cloud runs and all its instances sleep: of each kind there is one for each instance, and no more. */
export async function lookForStrays(cloud: TestCloud, apps: string[]): Promise<Remains> {
  const known = new Set((await Promise.all(apps.map((app) => cloud.instances(app)))).flat().map(({ id }) => id))
  const folder = join(cloud.dataDir, 'host/instances')
  const folders = await readdir(folder)
  const records = await Promise.all(
    folders.filter((id) => known.has(id)).map((id) => readFile(join(folder, id, 'instance.json'), 'utf8')),
  )
  const taps = new Set(records.map((text) => (JSON.parse(text) as { tap: string }).tap))
  const { node } = JSON.parse(await readFile(join(cloud.dataDir, 'cloud.json'), 'utf8')) as { node: string }
  const names = networkNames(nodeId(node))
  const { stdout: rules } = await run('nft', ['list', 'set', 'inet', names.table, 'sources'])
  const launchers = await launchersBelow(cloud.dataDir)
  const strays = [
    ...folders.filter((id) => !known.has(id)).map((id) => `folder ${id}`),
    ...(await links(names.tapPrefix)).filter((tap) => !taps.has(tap)).map((tap) => `link ${tap}`),
    ...[...rules.matchAll(/"([^"]+)" \./g)].flatMap(([, tap]) => (taps.has(tap!) ? [] : [`rule of ${tap}`])),
    ...(await groups(shortNode(nodeId(node)))).filter((id) => !known.has(id)).map((id) => `control group ${id}`),
    ...launchers.filter(({ id }) => !known.has(id)).map(({ pid, id }) => `process ${pid} of ${id}`),
  ]
  const children = await Promise.all(launchers.map(({ pid }) => readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')))
  const qemus = children.flatMap((text) => text.trim().split(' ').filter(Boolean))
  return { strays, realtime_threads: (await Promise.all(qemus.map(realtimeThreads))).flat().length }
}

async function links(prefix: string): Promise<string[]> {
  const names = (await readFile('/proc/self/net/dev', 'utf8')).split('\n').map((line) => line.split(':')[0]!.trim())
  return names.filter((name) => name.startsWith(prefix))
}

async function groups(short: string): Promise<string[]> {
  const tree = (await hierarchies())[0]?.[0]
  if (!tree) return []
  const entries = await readdir(join(tree.path, `littlecloud-${short}`), { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

/** Every microVM has a launcher that lives as long as it does, and names its folder in its arguments. */
async function launchersBelow(dataDir: string): Promise<{ pid: string; id: string }[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => {
      const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
      const pidfile = args[args.indexOf('--pidfile') + 1] ?? ''
      return pidfile.startsWith(`${dataDir}/`) ? [{ pid, id: pidfile.split('/').at(-2)! }] : []
    }),
  )
  return found.flat()
}

/** Field 41 of a thread's stat is its policy; 0 is that of everybody. */
async function realtimeThreads(pid: string): Promise<string[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => [])
  const policies = await Promise.all(
    threads.map(async (thread) => {
      const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, 'latin1').catch(() => '')
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38] ?? '0'
    }),
  )
  return policies.filter((policy) => policy !== '0')
}
