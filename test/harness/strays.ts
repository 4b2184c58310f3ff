import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { nodeId } from '../../runtime/src/core/ids.ts'
import { networkNames, shortNode } from '../../runtime/src/host/network-names.ts'

const run = promisify(execFile)

/** Everything of a cloud that is still on this machine after its end: processes, links, packet rules, mounts, groups. */
export async function findStrays(dataDir: string, nodes: string[]): Promise<string[]> {
  const [links, rules, mounts] = await Promise.all([
    run('ip', ['-o', 'link']).then(({ stdout }) => stdout),
    run('nft', ['list', 'tables']).then(({ stdout }) => stdout),
    readFile('/proc/self/mounts', 'utf8'),
  ])
  const strays = await processesNaming(dataDir)
  if (mounts.includes(dataDir)) strays.push(`a mount below ${dataDir}`)
  for (const id of nodes) {
    const names = networkNames(nodeId(id))
    for (const [, link] of links.matchAll(/^\d+: ([^:@]+)/gm)) {
      if (link?.startsWith(names.tapPrefix) || link === names.gateway) strays.push(`link ${link}`)
    }
    if (rules.includes(names.table)) strays.push(`packet rules ${names.table}`)
    strays.push(...(await groupsNaming(shortNode(nodeId(id)))))
  }
  return strays
}

async function processesNaming(text: string): Promise<string[]> {
  const found: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (command.includes(text) && Number(pid) !== process.pid)
      found.push(`process ${pid} ${command.replaceAll('\0', ' ').slice(0, 120)}`)
  }
  return found
}

async function groupsNaming(node: string): Promise<string[]> {
  const { stdout } = await run('find', [
    '/sys/fs/cgroup',
    '-maxdepth',
    '3',
    '-type',
    'd',
    '-name',
    `littlecloud-${node}*`,
  ])
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((path) => `control group ${path}`)
}
