import { execFile } from 'node:child_process'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { promisify } from 'node:util'
import { type Finding, ok, warn } from './check.ts'
import { livingRoles } from './roles.ts'

const run = promisify(execFile)

/** What a cloud that is gone has left in the kernel. While one runs, its own reconciler looks after this. */
export async function strays(): Promise<Finding[]> {
  if (livingRoles().some(({ role }) => role === 'host'))
    return [ok('strays', 'the running host agent looks after them')]
  const found = (await Promise.all([machines(), taps(), tables(), cgroups()])).filter((text) => text !== undefined)
  if (found.length === 0) return [ok('strays', 'none')]
  return [warn('strays', `left behind: ${found.join('; ')}`, 'Run: little down, which ends and removes all of it')]
}

async function machines(): Promise<string | undefined> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const ours = await Promise.all(
    pids.map(
      async (pid) => (await readlink(`/proc/${pid}/exe`).catch(() => '')) === '/qemu' || (await isLauncher(pid)),
    ),
  )
  return list(
    'processes',
    pids.filter((_, index) => ours[index]),
  )
}

async function isLauncher(pid: string): Promise<boolean> {
  const command = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')
  return (command.split('\0')[0] ?? '').endsWith('/jail/launch')
}

async function taps(): Promise<string | undefined> {
  const names = await readdir('/sys/class/net')
  return list(
    'network devices',
    names.filter((name) => /^lc([0-9a-z]{6}-|g[0-9a-z]{6}$)/.test(name)),
  )
}

async function tables(): Promise<string | undefined> {
  const { stdout } = await run('nft', ['list', 'tables']).catch(() => ({ stdout: '' }))
  return list(
    'packet rules',
    stdout.split('\n').filter((line) => /littlecloud/.test(line)),
  )
}

/** cgroup v2's root, and each controller's of v1. */
async function cgroups(): Promise<string | undefined> {
  const root = '/sys/fs/cgroup'
  const folders = [root, ...(await readdir(root).catch(() => [])).map((name) => `${root}/${name}`)]
  const inside = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(folder).catch(() => [])
      return names.filter((name) => name.startsWith('littlecloud')).map((name) => `${folder}/${name}`)
    }),
  )
  return list('cgroups', inside.flat())
}

function list(what: string, items: string[]): string | undefined {
  if (items.length === 0) return undefined
  return `${what} ${items.slice(0, 5).join(', ')}${items.length > 5 ? ` and ${items.length - 5} more` : ''}`
}
