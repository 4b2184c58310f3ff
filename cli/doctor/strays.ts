import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { nodeId } from '../../runtime/src/core/ids.ts'
import { dataDir } from '../../runtime/src/core/paths.ts'
import { networkNames, shortNode } from '../../runtime/src/host/network-names.ts'
import { type Finding, ok, warn } from './check.ts'
import { livingRoles } from './roles.ts'

const run = promisify(execFile)

/**
 * What this data folder's cloud has left in the kernel though it is gone. While it runs, its own reconciler looks after
 * this; other clouds of this machine look after theirs.
 */
export async function strays(): Promise<Finding[]> {
  if (livingRoles().some(({ role }) => role === 'host'))
    return [ok('strays', 'the running host agent looks after them')]
  const node = await nodeOf(dataDir())
  if (!node) return [ok('strays', 'none')]
  const names = networkNames(nodeId(node))
  const found = await Promise.all([
    launchers(join(dataDir(), 'host')),
    devices((name) => name.startsWith(names.tapPrefix) || name === names.gateway),
    tables(names.table),
    cgroups(`littlecloud-${shortNode(nodeId(node))}`),
  ])
  const facts = found.filter((text) => text !== undefined)
  if (facts.length === 0) return [ok('strays', 'none')]
  return [warn('strays', `left behind: ${facts.join('; ')}`, 'Run: little down, which ends and removes all of it')]
}

async function nodeOf(data: string): Promise<string | undefined> {
  const text = await readFile(join(data, 'cloud.json'), 'utf8').catch(() => '')
  return /"node": *"([^"]+)"/.exec(text)?.[1]
}

/** Each launcher names the folder of its instance, and its QEMU lives no longer than it does. */
async function launchers(folder: string): Promise<string | undefined> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const ours = await Promise.all(
    pids.map(async (pid) => {
      const [program = '', ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
      return program.endsWith('/jail/launch') && args.some((arg) => arg.includes(`${folder}/`))
    }),
  )
  return list(
    'processes',
    pids.filter((_, index) => ours[index]),
  )
}

async function devices(isOurs: (name: string) => boolean): Promise<string | undefined> {
  return list('network devices', (await readdir('/sys/class/net')).filter(isOurs))
}

async function tables(name: string): Promise<string | undefined> {
  const { stdout } = await run('nft', ['list', 'tables']).catch(() => ({ stdout: '' }))
  return list(
    'packet rules',
    stdout.split('\n').filter((line) => line.endsWith(` ${name}`)),
  )
}

/** cgroup v2's root, and each controller's of v1. */
async function cgroups(name: string): Promise<string | undefined> {
  const root = '/sys/fs/cgroup'
  const folders = [root, ...(await readdir(root).catch(() => [])).map((entry) => `${root}/${entry}`)]
  const inside = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(folder).catch((): string[] => [])).includes(name) ? [`${folder}/${name}`] : [],
    ),
  )
  return list('cgroups', inside.flat())
}

function list(what: string, items: string[]): string | undefined {
  if (items.length === 0) return undefined
  return `${what} ${items.slice(0, 5).join(', ')}${items.length > 5 ? ` and ${items.length - 5} more` : ''}`
}
