import { raise } from '../core/errors.ts'
import type { ProcessIdentity } from '../vm/launch.ts'
import type { MicroVm } from '../vm/micro-vm.ts'
import { NotInMemory } from './instance-errors.ts'
import type { MemoryImage } from './memory-image.ts'

/** The place of an instance's QEMU process: empty while its memory is on the disk. */
export class VmSlot {
  readonly #id: string
  readonly #image: MemoryImage
  readonly #users: ((vm: MicroVm) => void)[] = []
  #vm: MicroVm | undefined
  #leaving: Promise<void> | undefined
  #coming: Promise<void> | undefined

  constructor(id: string, image: MemoryImage) {
    this.#id = id
    this.#image = image
  }

  get vm(): MicroVm {
    return this.#vm ?? raise(new NotInMemory(this.#id))
  }

  /** Undefined while its memory is on the disk. */
  get process(): ProcessIdentity | undefined {
    return this.#vm?.process.identity
  }

  has(vm: MicroVm) {
    return this.#vm === vm
  }

  /** While it is being written out; rejects if that fails. */
  get leaving(): Promise<void> | undefined {
    return this.#leaving
  }

  /** Calls it with the process, and with each later one. */
  each(use: (vm: MicroVm) => void) {
    this.#users.push(use)
    if (this.#vm) use(this.#vm)
  }

  fill(vm: MicroVm) {
    this.#vm = vm
    for (const use of this.#users) use(vm)
  }

  /** Writes the memory of a stopped VM out. Then, if it is still to go, `gone` is called, and its process ended. */
  empty(ownMib: number, stillToGo: () => boolean, gone: () => void): Promise<void> {
    this.#leaving = this.#empty(ownMib, stillToGo, gone).finally(() => {
      this.#leaving = undefined
    })
    return this.#leaving
  }

  /** Brings it back, stopped, and calls `back`. Callers share it. */
  refill(back: () => void): Promise<void> {
    this.#coming ??= this.#refill(back).finally(() => {
      this.#coming = undefined
    })
    return this.#coming
  }

  /** Ends the process, one that is just going or coming as well. */
  async kill() {
    await Promise.allSettled([this.#leaving, this.#coming])
    await this.#vm?.kill()
  }

  async #empty(ownMib: number, stillToGo: () => boolean, gone: () => void) {
    const { vm } = this
    await this.#image.write(vm, ownMib)
    if (!stillToGo()) return this.#image.discard()
    this.#vm = undefined
    gone()
    await this.#image.endProcess(vm)
  }

  async #refill(back: () => void) {
    this.fill(await this.#image.restore())
    back()
  }
}
