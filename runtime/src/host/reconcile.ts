import { readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { LittleError } from '../core/errors.ts'
import { type Difference, differences } from './differences.ts'
import type { Fleet } from './fleet.ts'
import type { Instance } from './instance.ts'
import { endLauncher, type Launcher, Launchers } from './launchers.ts'
import type { HostTools } from './tools.ts'

/** Cheap enough for a thousand instances: some ms, in small pieces. What is being made or ended is left alone. */
export const compareEveryMs = 5_000

export class LinkLost extends LittleError {
  readonly code = 'host.link_lost'
  readonly status = 502
  readonly hint = 'Something on this machine deleted it: see that no other program removes links named lc…'
  constructor(id: string, tap: string) {
    super(`the network link ${tap} of instance ${id} is gone`)
  }
}

export class ProcessLost extends LittleError {
  readonly code = 'host.process_lost'
  readonly status = 502
  readonly hint = 'The log of the host says more; the app is started anew'
  constructor(id: string) {
    super(`instance ${id} has no process any more`)
  }
}

/**
 * Compares, again and again, what this node has in the kernel and on disk with what it should have. What nobody wants is
 * removed, what is missing is made again; an instance that cannot be mended is broken. Each difference has to be seen
 * twice, so that nothing is touched that was just on its way. Names tell what is this node's; the rest is not looked at.
 */
export class Reconciler implements Disposable {
  /** How often each kind of difference was found, for the metrics. */
  readonly found = new Map<Difference['kind'] | 'awake for nobody', number>()
  readonly #fleet: Fleet
  readonly #tools: HostTools
  readonly #launchers: Launchers
  #before = new Set<string>()
  #awakeBefore = new Set<Instance>()
  #timer: NodeJS.Timeout
  #closed = false

  constructor(fleet: Fleet, tools: HostTools) {
    this.#fleet = fleet
    this.#tools = tools
    this.#launchers = new Launchers(tools.instancesDir)
    this.#timer = setTimeout(this.#again, compareEveryMs)
  }

  [Symbol.dispose]() {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #again = async () => {
    try {
      await this.#look()
    } catch (error) {
      this.#tools.log.error(error, 'what should be could not be compared with what is')
    }
    if (!this.#closed) this.#timer = setTimeout(this.#again, compareEveryMs)
  }

  async #look() {
    this.#settle()
    const launchers = await this.#launchers.look()
    const found = {
      launchers: launchers.filter(({ dir }) => dirname(dir) === this.#tools.instancesDir),
      folders: await readdir(this.#tools.instancesDir),
      taps: await this.#tools.network.list(),
      groups: await this.#tools.cgroups.list(),
      routes: await this.#tools.network.reachable(),
    }
    // Asked last: what was made while we looked is known by now.
    const wanted = {
      instances: this.#fleet.instances.map(({ record, process }) => ({
        ...{ id: record.id, tap: record.tap, address: record.address },
        launcherPid: process?.launcherPid,
      })),
      busy: this.#tools.busy,
      busyTaps: this.#tools.network.taps,
    }
    const named = { ...found, launchers: found.launchers.map(({ dir, pid }) => ({ id: basename(dir), pid })) }
    const now = differences(wanted, named)
    const twice = now.filter((one) => this.#before.has(key(one)))
    this.#before = new Set(now.map(key))
    for (const one of twice) {
      if (this.#closed) return
      this.#note(one.kind, one.id)
      await this.#mend(one, found.launchers).catch((error: unknown) => this.#tools.log.error(error, 'not mended'))
    }
  }

  async #mend({ kind, id, pid }: Difference, launchers: Launcher[]) {
    const { network, cgroups, instancesDir } = this.#tools
    const instance = this.#fleet.instances.find((one) => one.id === id)
    switch (kind) {
      case 'stray process':
        for (const launcher of launchers) if (launcher.pid === pid) endLauncher(launcher)
        return
      case 'stray folder':
        return rm(join(instancesDir, id), { recursive: true, force: true })
      case 'stray link':
        return network.detach(id)
      case 'stray group':
        return cgroups.remove(id)
      case 'lost process':
        return instance?.fail(new ProcessLost(id))
      case 'lost link':
        return instance?.fail(new LinkLost(id, instance.record.tap))
      case 'lost route':
        return instance && network.repairLink(instance.record.tap, instance.record.address)
      case 'lost group': {
        const { process, record } = instance ?? {}
        if (process && record) await cgroups.restore(id, record.memoryMib, [process.launcherPid, process.pid])
      }
    }
  }

  /** An instance that runs though nobody keeps it: whoever let go was not heard. */
  #settle() {
    const awake = this.#fleet.instances.filter(({ state, keepers }) => state === 'running' && keepers.size === 0)
    for (const instance of awake) {
      if (!this.#awakeBefore.has(instance)) continue
      this.#note('awake for nobody', instance.id)
      instance.settle()
    }
    this.#awakeBefore = new Set(awake)
  }

  #note(kind: Difference['kind'] | 'awake for nobody', id: string) {
    this.found.set(kind, (this.found.get(kind) ?? 0) + 1)
    this.#tools.log.warn({ kind, id }, 'reconciled')
  }
}

const key = ({ kind, id, pid = 0 }: Difference) => `${kind} ${id} ${pid}`

/** At an agent's start nothing is being made: launchers of templates and instances that nobody took over are ended. */
export async function endStrayLaunchers(dataDir: string, wanted: ReadonlySet<number>): Promise<number> {
  const strays = (await new Launchers(dataDir).look()).filter(({ pid }) => !wanted.has(pid))
  for (const launcher of strays) endLauncher(launcher)
  return strays.length
}
