import type { AppName, TeamId } from '../core/ids.ts'
import type { Release } from '../model/release.ts'
import type { Instance } from './instance.ts'

/** An instance beyond the first that nobody asked for that long is ended; a burst that comes back sooner finds it. */
const extraKeptMs = 10 * 60_000
/** Spares are refilled when the burst that used them has calmed down: a start would compete with it for the cores. */
const refillAfterMs = 2_000
/** An old release's holders let go within their idle time; who still holds then is cut off. */
const drainMs = 30_000
const longestBackOffMs = 60_000
/** A program that ran this long has not crashed at once: the count of its crashes begins anew. */
const steadyMs = 60_000

/** What one node has, and should have, of one app. Decides; acts on nothing. */
export class AppOnNode {
  readonly team: TeamId
  readonly name: AppName
  /** The release to keep ready; undefined: nothing is to be kept. */
  target: Release | undefined
  /** Whether anything is to be kept is not known yet: what an earlier agent left running stays as it is. */
  undecided = false
  /** The release that takes traffic, as far as known. */
  live: number | undefined
  readonly instances: Instance[] = []
  starting = 0
  /** Instances that are being ended. */
  ending = 0
  /** Why the last start or instance failed; requests are answered with it until `retryAt`. */
  failure: { error: Error; retryAt: number } | undefined
  #crashes = 0
  #lastCrashAt = 0
  #drainSince: number | undefined
  #starts = new AbortController()

  constructor(team: TeamId, name: AppName) {
    this.team = team
    this.name = name
  }

  count(release: number): number {
    return this.instances.filter(({ record }) => record.release === release).length + this.starting
  }

  /** Instances of the release that can be asked: the awake ones first, then the oldest, so that extras come to rest. */
  usable(release: number): Instance[] {
    const rank = (instance: Instance) => (instance.state === 'running' ? 0 : instance.state === 'stopping' ? 1 : 2)
    return this.instances
      .filter(
        ({ record, state }) =>
          record.release === release && (state === 'running' || state === 'stopping' || state === 'parked'),
      )
      .sort((a, b) => rank(a) - rank(b) || a.record.createdAt - b.record.createdAt)
  }

  /** Of the starts under way: aborted when their release is wanted no more. */
  get starts(): { signal: AbortSignal } {
    return this.#starts
  }

  callOffStarts() {
    this.#starts.abort()
    this.#starts = new AbortController()
  }

  drop(instance: Instance) {
    const index = this.instances.indexOf(instance)
    if (index >= 0) this.instances.splice(index, 1)
  }

  /** A release that does not serve yet is not tried again: its deploy has failed, and control takes it back. */
  failed(error: Error, now: number) {
    this.#crashes = now - this.#lastCrashAt > steadyMs ? 1 : this.#crashes + 1
    this.#lastCrashAt = now
    if (this.target?.number !== this.live) {
      this.failure = { error, retryAt: Number.POSITIVE_INFINITY }
      return
    }
    this.failure = { error, retryAt: now + Math.min(longestBackOffMs, 1_000 * (2 ** (this.#crashes - 1) - 1)) }
  }

  /** Whether one more instance of the target is to be started now. */
  wants(now: number): boolean {
    if (!this.target) return false
    const count = this.count(this.target.number)
    if (count >= this.target.maxInstances) return false
    if (count === 0) return !this.failure || now >= this.failure.retryAt
    const spares = this.target.spares === 'auto' ? 0 : this.target.spares
    const busy = this.usable(this.target.number).filter(({ keepers }) => keepers.size > 0).length
    const calm = this.instances.every(({ lastUsedAt }) => now - lastUsedAt > refillAfterMs)
    return count < Math.max(1, busy) + spares && calm
  }

  /** Instances to be ended now: of releases that no longer serve, and extras that nobody used for long. */
  surplus(now: number): Instance[] {
    if (this.undecided) return []
    if (!this.target) return [...this.instances]
    const { number, spares } = this.target
    const old = this.instances.filter(({ record }) => record.release !== number)
    const superseded = this.live === number ? old : []
    this.#drainSince = superseded.length > 0 ? (this.#drainSince ?? now) : undefined
    const drained = superseded.filter(({ keepers }) => keepers.size === 0 || now - this.#drainSince! > drainMs)

    const [, ...beyondTheFirst] = this.instances
      .filter(({ record }) => record.release === number)
      .sort((a, b) => a.record.createdAt - b.record.createdAt) // the first is the app: it never goes
    const extras = beyondTheFirst
      .filter(({ keepers, lastUsedAt }) => keepers.size === 0 && now - lastUsedAt > extraKeptMs)
      .slice(0, Math.max(0, beyondTheFirst.length - (spares === 'auto' ? 0 : spares)))
    return [...drained, ...extras]
  }
}
