import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync } from 'node:fs'
import { access, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { MachineShape } from '../vm/machine.ts'
import { createMemfd, sealMemfd } from '../vm/memfd.ts'
import { type BuildTools, buildTemplate, type TemplateSource } from './build.ts'

const run = promisify(execFile)

export interface Template {
  shape: MachineShape
  /** Opened by path for each instance: the sealed memory of the template. */
  ramPath: string
  statePath: string
  /** Copied for each instance. */
  scratchPath: string
  rootPath: string
}

/**
 * Templates on disk, by what they are made from, and their RAM in memory, once for all instances.
 * A template fits only the machine, QEMU and kernel it was made with: all of them are in its key.
 */
export class TemplateStore {
  readonly #dir: string
  readonly #tools: BuildTools
  readonly #ready = new Map<string, Promise<Template>>()
  readonly #descriptors: number[] = []

  constructor(dir: string, tools: BuildTools) {
    this.#dir = dir
    this.#tools = tools
  }

  /** Builds it unless it is there; callers share one build. `onBuild` is called only if there is one. */
  get(source: TemplateSource, onBuild: () => void = () => {}): Promise<Template> {
    const key = this.#key(source)
    let template = this.#ready.get(key)
    if (!template) {
      template = this.#load(key, source, onBuild)
      this.#ready.set(key, template)
      template.catch(() => this.#ready.delete(key))
    }
    return template
  }

  close() {
    for (const fd of this.#descriptors) closeSync(fd)
    this.#descriptors.length = 0
    this.#ready.clear()
  }

  async #load(key: string, source: TemplateSource, onBuild: () => void): Promise<Template> {
    const dir = join(this.#dir, key)
    if (!(await exists(dir))) {
      onBuild()
      const making = `${dir}.making`
      await rm(making, { recursive: true, force: true })
      await mkdir(making, { recursive: true, mode: 0o700 })
      await buildTemplate(making, source, this.#tools)
      await rename(making, dir)
    }
    const ram = createMemfd(`template-${key.slice(0, 12)}`)
    this.#descriptors.push(ram)
    const ramPath = `/proc/${process.pid}/fd/${ram}`
    await run('cp', ['--sparse=always', join(dir, 'ram'), ramPath])
    sealMemfd(ram)
    return {
      shape: { accelerator: this.#tools.machine.accelerator, memoryMib: source.memoryMib, cpus: source.cpus },
      ramPath,
      statePath: join(dir, 'state'),
      scratchPath: join(dir, 'scratch'),
      rootPath: source.rootPath,
    }
  }

  #key({ digest, memoryMib, cpus }: TemplateSource): string {
    const parts = [digest, memoryMib, cpus, this.#tools.machine.accelerator, this.#tools.fingerprint]
    return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32)
  }
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )
