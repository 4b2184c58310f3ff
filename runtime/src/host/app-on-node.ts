import type { AppName, TeamId } from '../core/ids.ts'
import type { State } from '../model/instance.ts'
import { type Habit, noHabit, woken } from '../model/likelihood.ts'
import type { Release } from '../model/release.ts'
import { Failures } from './failures.ts'
import type { Instance } from './instance.ts'
import { Starts } from './starts.ts'

/** An instance beyond the first that nobody asked for that long is ended; a burst that comes back sooner finds it. */
const extraKeptMs = 10 * 60_000
/** Spares are refilled when the burst that used them has calmed down: a start would compete with it for the cores. */
const refillAfterMs = 2_000
/** Holders of an instance that is to go let go within their idle time; who still holds then is cut off. */
const drainMs = 30_000

/** What a node shall have of an app: cluster/placement.ts, with the releases themselves. */
export interface Wanted {
  ready: Release[]
  kept?: { release: Release; until: number } | undefined
}

/** The sooner they answer, the earlier. */
const usableStates: readonly State[] = ['running', 'stopping', 'parked', 'suspended']

/** What one node has, and should have, of one app. Decides; acts on nothing. */
export class AppOnNode {
  readonly team: TeamId
  readonly name: AppName
  /** Undefined: nothing is to be here. */
  wanted: Wanted | undefined
  /** Whether anything is to be here is not known yet: what an earlier agent left running stays as it is. */
  undecided = false
  /** The releases that take requests, as far as known. */
  serving: number[] = []
  /** How often it is woken. */
  habit: Habit = woken(noHabit, Date.now())
  readonly instances: Instance[] = []
  readonly starts = new Starts()
  /** Instances that are being ended. */
  ending = 0
  readonly failures = new Failures()
  /** Since when an instance is to go, ms since the epoch. */
  readonly #leaving = new WeakMap<Instance, number>()

  constructor(team: TeamId, name: AppName) {
    this.team = team
    this.name = name
  }

  /** The release, if it is to be ready here. */
  ready(release: number): Release | undefined {
    return this.wanted?.ready.find(({ number }) => number === release)
  }

  /** The release, if anything of it is to be here. */
  release(release: number): Release | undefined {
    const kept = this.wanted?.kept?.release
    return this.ready(release) ?? (kept?.number === release ? kept : undefined)
  }

  concurrency(release: number): Release['concurrency'] {
    return this.release(release)?.concurrency ?? { soft: 1, hard: 1 }
  }

  of(release: number): Instance[] {
    return this.instances.filter(({ record }) => record.release === release)
  }

  /** What is there or comes, without what is to be replaced, or may have to be. */
  count(release: number): number {
    return this.there(release) + this.starts.of(release)
  }

  there(release: number): number {
    return this.of(release).filter(isPrompt).length
  }

  /** Instances of the release that can be asked: awake ones first, then parked, then the oldest, so that extras rest. */
  usable(release: number): Instance[] {
    const rank = ({ state }: Instance) => usableStates.indexOf(state)
    return this.of(release)
      .filter(isPrompt)
      .filter(({ state }) => usableStates.includes(state))
      .sort((a, b) => rank(a) - rank(b) || a.record.createdAt - b.record.createdAt)
  }

  /** Late ones that others have overtaken: there may be no more at a time, so whose memory is the app's is decided. */
  overtaken({ number, maxInstances }: Release): Instance[] {
    const late = this.of(number).filter(({ isLate }) => isLate)
    return late.slice(0, Math.max(0, this.there(number) + late.length - maxInstances))
  }

  drop(instance: Instance) {
    const index = this.instances.indexOf(instance)
    if (index >= 0) this.instances.splice(index, 1)
  }

  failed(release: number, error: Error, now: number) {
    this.failures.add(release, error, this.serving.includes(release), now)
  }

  /** A release of which one more instance is to be started now. */
  wants(now: number): Release | undefined {
    return this.wanted?.ready.find((release) => this.#wantsOneMore(release, now))
  }

  #wantsOneMore(release: Release, now: number): boolean {
    const { number, maxInstances, spares } = release
    const count = this.count(number)
    if (count >= maxInstances) return false
    const busy = this.usable(number).filter(({ keepers }) => keepers.size > 0).length
    // Once it serves, an ephemeral app is started by requests only: what was dropped must not come back by itself.
    if (release.ephemeral && this.serving.includes(number) && busy === 0) return false
    if (count === 0) return now >= (this.failures.of(number)?.retryAt ?? 0)
    const calm = this.instances.every(({ lastUsedAt }) => now - lastUsedAt > refillAfterMs)
    return count < Math.max(1, busy) + (spares === 'auto' ? 0 : spares) && calm
  }

  /** Instances to be ended now: of releases that are wanted no more, and extras that nobody used for long. */
  surplus(now: number): Instance[] {
    if (this.undecided) return []
    if (!this.wanted) return [...this.instances]
    const { ready, kept } = this.wanted
    const stays = new Set<Instance>(ready.flatMap(({ number }) => this.of(number).filter(isWell)))
    if (kept && now < kept.until) for (const first of this.#byAge(kept.release.number).slice(0, 1)) stays.add(first)
    const gone = this.instances.filter((instance) => !this.#stays(instance, stays.has(instance), now))
    return [...gone, ...ready.flatMap((release) => this.#extras(release, now))]
  }

  #stays(instance: Instance, wanted: boolean, now: number): boolean {
    if (wanted) {
      this.#leaving.delete(instance)
      return true
    }
    const since = this.#leaving.get(instance) ?? now
    this.#leaving.set(instance, since)
    return instance.keepers.size > 0 && now - since <= drainMs
  }

  #extras({ number, spares }: Release, now: number): Instance[] {
    const [, ...beyondTheFirst] = this.#byAge(number) // the first is the app: it never goes
    return beyondTheFirst
      .filter(({ keepers, lastUsedAt }) => keepers.size === 0 && now - lastUsedAt > extraKeptMs)
      .slice(0, Math.max(0, beyondTheFirst.length - (spares === 'auto' ? 0 : spares)))
  }

  #byAge(release: number): Instance[] {
    return this.of(release)
      .filter(isWell)
      .sort((a, b) => a.record.createdAt - b.record.createdAt)
  }
}

const isWell = ({ health }: Instance) => health !== 'unhealthy'
/** One that is late in waking may yet come: it stays, and another one is started beside it. */
const isPrompt = (instance: Instance) => isWell(instance) && !instance.isLate
