import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readRunFiles } from '../../runtime/src/core/run-files.ts'

const run = promisify(execFile)
const kibPerMib = 1024

/** The whole machine's memory, MiB, as /proc/meminfo tells it. */
export interface MachineMemory {
  used: number
  page_cache: number
  available: number
}

export async function machineMemory(): Promise<MachineMemory> {
  const text = await readFile('/proc/meminfo', 'utf8')
  const mib = (name: string) => Math.round(Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(text)?.[1]) / kibPerMib)
  return {
    used: mib('MemTotal') - mib('MemAvailable'),
    page_cache: mib('Cached') + mib('Buffers') - mib('Shmem'),
    available: mib('MemAvailable'),
  }
}

/** Of each role of a cloud: its resident memory, MiB. */
export async function roleMemory(dataDir: string): Promise<Record<string, number>> {
  const roles: Record<string, number> = {}
  for (const { role, pid } of readRunFiles(dataDir)) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    roles[role] = Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / kibPerMib)
  }
  return roles
}

/**
 * What an instance's process takes, MiB: all that is its own, and its part of what it shares. Undefined: it has none any
 * more, for the node moves its instances between memory and disk all the time.
 */
export async function processMib(dataDir: string, instance: string): Promise<number | undefined> {
  try {
    const [pid] = (await readFile(join(dataDir, 'host/instances', instance, 'pid'), 'utf8')).split(' ')
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8')
    return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1]) / kibPerMib
  } catch {
    return undefined
  }
}

/** Disk that is taken below a cloud's data folder, MiB, by what it is for. */
export async function diskMib(dataDir: string): Promise<Record<string, number>> {
  const disk: Record<string, number> = {}
  const places = { images: ['images', 'host/images'], templates: ['host/templates'], instances: ['host/instances'] }
  for (const [name, folders] of Object.entries({ ...places, all: [''] })) {
    const sum = ['-sc', '--block-size=1M', ...folders.map((folder) => join(dataDir, folder))]
    const { stdout } = await run('du', sum).catch((gone: { stdout: string }) => gone) // files come and go; it adds up the rest
    disk[name] = Number(/^(\d+)\s+total$/m.exec(stdout)?.[1])
  }
  return disk
}

/** The images of all suspended instances, MiB each. */
export async function suspendedMib(dataDir: string): Promise<number[]> {
  const instances = join(dataDir, 'host/instances')
  const sizes: number[] = []
  for (const id of await readdir(instances)) {
    const { stdout } = await run('du', ['-k', join(instances, id, 'suspended')]).catch(() => ({ stdout: '' }))
    if (stdout) sizes.push(Number(stdout.split('\t')[0]) / kibPerMib)
  }
  return sizes
}
