const longestBackOffMs = 60_000
/** A program that ran this long has not crashed at once: the count of its crashes begins anew. */
const steadyMs = 60_000

/** Why a release's last start or instance failed. Requests are answered with it until `retryAt`. */
export interface Failure {
  error: Error
  retryAt: number
  crashes: number
  at: number
}

/** What failed of an app's releases, and when each is tried again: ever more seldom. */
export class Failures {
  readonly #byRelease = new Map<number, Failure>()

  of(release: number): Failure | undefined {
    return this.#byRelease.get(release)
  }

  /** A release that does not serve yet is not tried again: its deploy has failed, and control takes it back. */
  add(release: number, error: Error, serves: boolean, now: number): void {
    const before = this.#byRelease.get(release)
    const crashes = before && now - before.at <= steadyMs ? before.crashes + 1 : 1
    const backOffMs = Math.min(longestBackOffMs, 1_000 * (2 ** (crashes - 1) - 1))
    const retryAt = serves ? now + backOffMs : Number.POSITIVE_INFINITY
    this.#byRelease.set(release, { error, retryAt, crashes, at: now })
  }

  /** What kept it from serving is over: it is tried again at once, but crashes still count. */
  over(release: number): void {
    const failure = this.#byRelease.get(release)
    if (failure) failure.retryAt = 0
  }

  forget(release: number): void {
    this.#byRelease.delete(release)
  }
}
