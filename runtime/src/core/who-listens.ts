import { readdir, readFile, readlink } from 'node:fs/promises'

const listening = '0A'

/** The program that listens on a TCP port of this machine, as a person would name it. */
export async function whoListens(port: number): Promise<string> {
  const inodes = await socketsOn(port)
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  for (const pid of pids) {
    if (!(await has(pid, inodes))) continue
    const name = (await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')).trim()
    return `${name || 'a process'} (process ${pid})`
  }
  return 'another program'
}

async function socketsOn(port: number): Promise<Set<string>> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')),
  )
  const lines = tables.flatMap((table) => table.split('\n').map((line) => line.trim().split(/\s+/)))
  const ours = lines.filter(([, local, , state]) => local?.endsWith(suffix) && state === listening)
  return new Set(ours.map((fields) => `socket:[${fields[9]}]`))
}

async function has(pid: string, inodes: Set<string>): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
  const links = await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')))
  return links.some((link) => inodes.has(link))
}
