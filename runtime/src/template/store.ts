import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, renameSync, rmSync } from 'node:fs'
import { access, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { raise } from '../core/errors.ts'
import { MIB } from '../core/units.ts'
import type { MachineShape } from '../vm/machine.ts'
import { createMemfd, sealMemfd } from '../vm/memfd.ts'
import { type BuildTools, buildTemplate, TemplateDamaged, type TemplateSource } from './build.ts'
import { checksumsOf, readChecksums, sameMemory } from './checksums.ts'

export interface Template {
  shape: MachineShape
  /** Opened by path for each instance: the sealed memory of the template. */
  ramPath: string
  statePath: string
  /** Copied for each instance. */
  scratchPath: string
  rootPath: string
  /** Changes with every build: what was suspended over the memory of one template fits no other. */
  identity: string
}

/** Why a template is built: there is none, or its files are no longer what was written. */
export type BuildReason = 'missing' | 'damaged'

/**
 * Templates on disk, by what they are made from, and their RAM in memory, once for all instances.
 * A template fits only the machine, QEMU and kernel it was made with: all of them are in its key.
 */
export class TemplateStore {
  readonly #dir: string
  readonly #tools: BuildTools
  readonly #ready = new Map<string, Promise<Template>>()
  readonly #memory = new Map<string, { fd: number; mib: number }>()

  constructor(dir: string, tools: BuildTools) {
    this.#dir = dir
    this.#tools = tools
  }

  /** Builds it unless it is there; callers share one build. `onBuild` is called only if there is one. */
  get(source: TemplateSource, onBuild: (reason: BuildReason) => void = () => {}): Promise<Template> {
    const key = this.keyOf(source)
    let template = this.#ready.get(key)
    if (!template) {
      template = this.#load(key, source, onBuild)
      this.#ready.set(key, template)
      template.catch(() => this.#ready.delete(key))
    }
    return template
  }

  /**
   * The memory that a microVM of an earlier agent runs over: it counts, and is used again instead of having the same a
   * second time, if it turns out to be this template's.
   */
  offer(source: Omit<TemplateSource, 'rootPath'>, ramPath: string): void {
    const key = this.keyOf(source)
    if (this.#memory.has(key)) return
    const fd = openSync(ramPath, 'r')
    this.#memory.set(key, { fd, mib: residentMib(fd) })
  }

  /** What the templates' memory takes, once for all their instances. */
  get residentMib(): number {
    let sum = 0
    for (const { mib } of this.#memory.values()) sum += mib
    return sum
  }

  /** The keys of all that are on the disk. */
  async list(): Promise<string[]> {
    return (await readdir(this.#dir).catch(() => [] as string[])).filter((name) => /^[0-9a-f]{32}$/.test(name))
  }

  /** Takes one away that nothing runs over; who asks for it later has it built again. */
  async forget(key: string): Promise<void> {
    const gone = join(this.#dir, `${key}.gone`)
    rmSync(gone, { recursive: true, force: true }) // of an agent that was killed just then
    renameSync(join(this.#dir, key), gone) // at once with the rest: nobody finds half of it
    this.#ready.delete(key)
    const memory = this.#memory.get(key)
    this.#memory.delete(key)
    if (memory) closeSync(memory.fd)
    await rm(gone, { recursive: true })
  }

  close() {
    for (const { fd } of this.#memory.values()) closeSync(fd)
    this.#memory.clear()
    this.#ready.clear()
  }

  async #load(key: string, source: TemplateSource, onBuild: (reason: BuildReason) => void): Promise<Template> {
    const dir = join(this.#dir, key)
    const there = await exists(dir)
    const loaded =
      (there && (await loadChecked(dir, key))) ||
      (await this.#build(dir, key, source, () => onBuild(there ? 'damaged' : 'missing')))
    const ram = await this.#insteadOf(key, loaded.ram)
    this.#memory.set(key, { fd: ram, mib: residentMib(ram) })
    return {
      shape: { accelerator: this.#tools.machine.accelerator, memoryMib: source.memoryMib, cpus: source.cpus },
      ramPath: `/proc/${process.pid}/fd/${ram}`,
      statePath: join(dir, 'state'),
      scratchPath: join(dir, 'scratch'),
      rootPath: source.rootPath,
      identity: `${key}-${loaded.checksum}`,
    }
  }

  /** The memory that was offered, if it is the same; what is not used is closed. */
  async #insteadOf(key: string, loaded: number): Promise<number> {
    const offered = this.#memory.get(key)?.fd
    if (offered === undefined) return loaded
    const isSame = await sameMemory(loaded, offered)
    closeSync(isSame ? loaded : offered)
    return isSame ? offered : loaded
  }

  async #build(dir: string, key: string, source: TemplateSource, onBuild: () => void) {
    onBuild()
    const making = `${dir}.making`
    for (const old of [making, dir]) await rm(old, { recursive: true, force: true })
    await mkdir(making, { recursive: true, mode: 0o700 })
    await buildTemplate(making, source, this.#tools)
    await rename(making, dir)
    return (await loadChecked(dir, key)) ?? raise(new TemplateDamaged(dir))
  }

  /** What it is called: everything that it is made from. */
  keyOf({ digest, memoryMib, cpus }: Omit<TemplateSource, 'rootPath'>): string {
    const parts = [digest, memoryMib, cpus, this.#tools.machine.accelerator, this.#tools.fingerprint]
    return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32)
  }
}

const residentMib = (fd: number) => (fstatSync(fd).blocks * 512) / MIB

/** The template's memory, sealed; undefined if a file of it is not what was written, or cannot be read. */
async function loadChecked(dir: string, key: string): Promise<{ ram: number; checksum: string } | undefined> {
  const written = await readChecksums(dir)
  const ram = createMemfd(`template-${key.slice(0, 12)}`)
  try {
    if (written && isDeepStrictEqual(await checksumsOf(dir, ram), written)) {
      sealMemfd(ram)
      return { ram, checksum: written.ram }
    }
  } catch (error) {
    if (!unreadable.includes(String((error as NodeJS.ErrnoException).code))) {
      closeSync(ram)
      throw error
    }
  }
  closeSync(ram)
  return undefined
}

const unreadable = ['ENOENT', 'EIO']

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )
