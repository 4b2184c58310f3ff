import { randomBytes } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { AppName, TeamId } from '../core/ids.ts'
import type { Release } from '../model/release.ts'
import type { Template } from '../template/store.ts'
import { suspendVm } from '../vm/suspend.ts'
import type { ImageSecret } from '../vm/suspended-image.ts'
import type { Instance } from './instance.ts'
import type { InstanceRecord } from './record.ts'

/** The memory of a warmed instance, to be copied any number of times. */
export interface Warmed {
  path: string
  secret: ImageSecret
  /** What its program was found to do; a copy does the same. */
  found: Pick<InstanceRecord, 'port' | 'keepConnections'>
}

/**
 * For releases with `--clone warm`: what their first instance had in memory when it was warmed up and before its first
 * user, encrypted as a suspended instance is. An agent begins without any, so the next start after that is a whole one.
 */
export class WarmCopies implements AsyncDisposable {
  readonly #dir: string
  /** In no file: the memory is of no use to a next agent. */
  readonly #key = randomBytes(32)
  readonly #warmed = new Map<string, Warmed>()
  readonly #making = new Map<string, Promise<unknown>>()

  private constructor(dir: string) {
    this.#dir = dir
  }

  static async open(dir: string): Promise<WarmCopies> {
    await rm(dir, { recursive: true, force: true })
    await mkdir(dir, { recursive: true, mode: 0o700 })
    return new WarmCopies(dir)
  }

  of(release: Release): Warmed | undefined {
    return this.#warmed.get(nameOf(release))
  }

  /** While it is just being made: resolves at the end of that. */
  beingMade(release: Release): Promise<unknown> | undefined {
    return this.#making.get(nameOf(release))
  }

  /** The start that makes it; others of the release look for `beingMade` first. */
  async make<T>(release: Release, start: () => Promise<T>): Promise<T> {
    const making = start()
    this.#making.set(
      nameOf(release),
      making.catch(() => {}),
    )
    return making.finally(() => this.#making.delete(nameOf(release)))
  }

  /** Keeps the memory of an instance that has just been parked for the first time. */
  async keep(instance: Instance, release: Release, template: Template): Promise<void> {
    const name = nameOf(release)
    const path = join(this.#dir, `${name}.${instance.id}`)
    const secret = { key: this.#key, fits: template.identity }
    const { sinceMs, record, vm } = instance
    await suspendVm(vm, { into: path, scratch: join(vm.dir, 'scratch'), ...secret })
    // It ran meanwhile (files keep it awake), or two that waited for a start that failed have both become the next.
    if (instance.sinceMs !== sinceMs || this.#warmed.has(name)) return rm(path)
    const { port, keepConnections } = record
    this.#warmed.set(name, { path, secret, found: { keepConnections, ...(port !== undefined && { port }) } })
  }

  /** Of this release a copy could not be made: the next start is a whole one. */
  async drop(release: Release): Promise<void> {
    const warmed = this.of(release)
    this.#warmed.delete(nameOf(release))
    if (warmed) await rm(warmed.path, { force: true })
  }

  /** Only these releases of the app are still wanted. */
  async keepOnly(team: TeamId, app: AppName, releases: Release[]): Promise<void> {
    const wanted = new Set(releases.map(nameOf))
    for (const [name, { path }] of this.#warmed) {
      if (!name.startsWith(`${team}.${app}.`) || wanted.has(name)) continue
      this.#warmed.delete(name)
      await rm(path, { force: true })
    }
  }

  async [Symbol.asyncDispose]() {
    await rm(this.#dir, { recursive: true, force: true })
  }
}

const nameOf = ({ team, app, number }: Release) => `${team}.${app}.${number}`
