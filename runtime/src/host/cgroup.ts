import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { LittleError } from '../core/errors.ts'
import type { NodeId } from '../core/ids.ts'
import { MIB } from '../core/units.ts'
import { type Hierarchy, hierarchies } from './cgroup-mounts.ts'
import { shortNode } from './network-names.ts'

/** What QEMU needs beside the guest's RAM: itself 20 MiB, under TCG its translated code, page tables, I/O buffers. */
const overheadMib = 256
/** QEMU aborts when it can't make a thread: up to 64 I/O workers, the vCPUs, a handful of its own, the launcher. */
const mostThreads = 160
/** The kernel takes a moment to let go of a group after its last process has ended. */
const removeDeadlineMs = 5_000

export class NoCgroups extends LittleError {
  readonly code = 'host.no_cgroups'
  readonly status = 500
  readonly hint =
    'Instances run without limits of memory and threads around QEMU; mount cgroups (v2, or v1 memory and pids)'
}

/** A group per instance, in each hierarchy that limits something. Not the v1 `cpu` controller: it forbids real-time priority. */
export class Cgroups {
  readonly #parents: Hierarchy[]

  private constructor(parents: Hierarchy[]) {
    this.#parents = parents
  }

  /** Throws NoCgroups where none can be had. */
  static async open(node: NodeId): Promise<Cgroups> {
    const reasons: string[] = []
    for (const candidate of await hierarchies()) {
      const parents = candidate.map((one) => ({ ...one, path: join(one.path, `littlecloud-${shortNode(node)}`) }))
      try {
        for (const [index, parent] of parents.entries()) await makeParent(candidate[index]!.path, parent)
        return new Cgroups(parents)
      } catch (error) {
        reasons.push((error as Error).message)
        for (const parent of parents) await rmdir(parent.path).catch(() => {})
      }
    }
    throw new NoCgroups(reasons[0] ?? 'neither cgroup v2 with memory and pids nor v1 memory and pids is mounted')
  }

  /** Resolves with the folders that the launcher joins. */
  async create(id: string, memoryMib: number): Promise<string[]> {
    const folders = this.#folders(id)
    try {
      for (const [index, folder] of folders.entries()) {
        await mkdir(folder, { recursive: true })
        await limit(this.#parents[index]!, folder, memoryMib + overheadMib)
      }
      return folders
    } catch (error) {
      await this.remove(id).catch(() => {})
      throw new NoCgroups((error as Error).message, { cause: error })
    }
  }

  /** Made again for processes that were left without: somebody moved them out and removed it. */
  async restore(id: string, memoryMib: number, pids: number[]): Promise<void> {
    for (const folder of await this.create(id, memoryMib))
      for (const pid of pids) await writeFile(join(folder, 'cgroup.procs'), String(pid))
  }

  /** Ends what still runs in it. Also for groups that are gone already. */
  async remove(id: string): Promise<void> {
    for (const folder of this.#folders(id)) await removeGroup(folder)
  }

  /** The limit, MiB, if the kernel has killed a process of the group for having reached it. */
  async outOfMemory(id: string): Promise<number | undefined> {
    const tree = this.#parents.find(({ controllers }) => controllers.includes('memory'))
    if (!tree) return undefined
    const [events, limit] =
      tree.version === 2 ? ['memory.events', 'memory.max'] : ['memory.oom_control', 'memory.limit_in_bytes']
    const kills = /^oom_kill (\d+)$/m.exec(await readFile(join(tree.path, id, events!), 'utf8'))?.[1]
    if (!Number(kills)) return undefined
    return Number(await readFile(join(tree.path, id, limit!), 'utf8')) / MIB
  }

  /** The ids of all groups of this node, whoever made them. */
  async list(): Promise<string[]> {
    const entries = await readdir(this.#parents[0]!.path, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  }

  /** Removes the node's own groups, if no instance is left in them. */
  async close(): Promise<void> {
    for (const { path } of this.#parents) await rmdir(path).catch(() => {})
  }

  #folders(id: string) {
    return this.#parents.map(({ path }) => join(path, id))
  }
}

async function makeParent(root: string, { version, path }: Hierarchy): Promise<void> {
  if (version === 2) await writeFile(join(root, 'cgroup.subtree_control'), '+memory +pids')
  await mkdir(path, { recursive: true })
  if (version === 2) await writeFile(join(path, 'cgroup.subtree_control'), '+memory +pids')
}

async function limit({ version, controllers }: Hierarchy, folder: string, memoryMib: number): Promise<void> {
  const memoryFile = version === 2 ? 'memory.max' : 'memory.limit_in_bytes'
  if (controllers.includes('memory')) await writeFile(join(folder, memoryFile), String(memoryMib * MIB))
  if (controllers.includes('pids')) await writeFile(join(folder, 'pids.max'), String(mostThreads))
}

async function removeGroup(folder: string): Promise<void> {
  const until = performance.now() + removeDeadlineMs
  for (;;) {
    const code = await rmdir(folder).then(
      () => 'ENOENT',
      (error: NodeJS.ErrnoException) => error.code,
    )
    if (code === 'ENOENT') return
    if (code !== 'EBUSY' || performance.now() > until) throw new NoCgroups(`${folder} cannot be removed: ${code}`)
    await killAll(folder)
    await delay(5) // v1 has no event for a group that became empty
  }
}

async function killAll(folder: string): Promise<void> {
  const processes = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '')
  for (const pid of processes.split('\n').filter(Boolean).map(Number)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // ended by itself meanwhile
    }
  }
}
