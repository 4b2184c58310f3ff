import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { MicroVm } from '../vm/micro-vm.ts'
import { resumeVm } from '../vm/resume.ts'
import { suspendVm } from '../vm/suspend.ts'
import { SuspendedImageCorrupt, SuspendedImageDoesNotFit } from '../vm/suspend-errors.ts'
import { MemoryLost } from './instance-errors.ts'
import { type InstanceRecord, writeRecord } from './record.ts'
import type { HostTools } from './tools.ts'
import { instanceSpec, scratchPath } from './vm-spec.ts'

const imagePath = (dir: string) => join(dir, 'suspended')

/** Whether what lies in the folder is the instance: then a process beside it was only just going or coming. */
export const isSuspended = (dir: string) => existsSync(imagePath(dir))

/** One instance's memory, devices and files on the disk: made when it is suspended, used up when it comes back. */
export class MemoryImage {
  readonly #record: InstanceRecord
  readonly #tools: HostTools
  readonly #dir: string

  constructor(record: InstanceRecord, tools: HostTools) {
    this.#record = record
    this.#tools = tools
    this.#dir = join(tools.instancesDir, record.id)
  }

  /** Of a VM that is parked, and stays so until this has ended. Throws SuspendFailed, and then nothing has changed. */
  async write(vm: MicroVm, ownMib: number): Promise<void> {
    const { identity } = await this.#template()
    using _ = this.#busy()
    this.#record.suspended = { ownMib }
    await writeRecord(this.#dir, this.#record)
    const into = imagePath(this.#dir)
    await suspendVm(vm, { into, scratch: scratchPath(this.#dir), key: this.#tools.suspendKey, fits: identity })
  }

  /** It was not needed after all. */
  async discard(): Promise<void> {
    await rm(imagePath(this.#dir), { force: true })
  }

  /** Ends the process that was written, and what only a process needs. */
  async endProcess(vm: MicroVm): Promise<void> {
    using _ = this.#busy()
    await vm.kill()
    await rm(scratchPath(this.#dir), { force: true })
    await this.#tools.cgroups.remove(this.#record.id)
  }

  /** A stopped VM with all of it; the image is used up. Throws MemoryLost if it can never be had again. */
  async restore(): Promise<MicroVm> {
    const template = await this.#template()
    using _ = this.#busy()
    const cgroups = await this.#tools.cgroups.create(this.#record.id, this.#record.memoryMib)
    try {
      const spec = instanceSpec(this.#record, this.#dir, cgroups, template)
      const from = imagePath(this.#dir)
      const { vm } = await resumeVm({ from, spec, key: this.#tools.suspendKey, fits: template.identity })
      return vm
    } catch (error) {
      await this.#tools.cgroups.remove(this.#record.id)
      if (error instanceof SuspendedImageCorrupt || error instanceof SuspendedImageDoesNotFit) {
        throw new MemoryLost(this.#record.id, error.message, { cause: error })
      }
      throw error
    }
  }

  /** What it has is just changing: nobody is to mend that. */
  #busy(): Disposable {
    const { busy } = this.#tools
    const { id } = this.#record
    busy.add(id)
    return { [Symbol.dispose]: () => busy.delete(id) }
  }

  async #template() {
    const { digest, memoryMib, vcpus: cpus } = this.#record
    return this.#tools.templates.get({ digest, rootPath: await this.#tools.rootOf(digest), memoryMib, cpus })
  }
}
