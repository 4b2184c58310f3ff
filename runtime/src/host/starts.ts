/** Starts of one app that are under way, by release. */
export class Starts {
  readonly #byRelease = new Map<number, { count: number; calledOff: AbortController }>()

  of(release: number): number {
    return this.#byRelease.get(release)?.count ?? 0
  }

  get count(): number {
    return [...this.#byRelease.values()].reduce((sum, { count }) => sum + count, 0)
  }

  /** Aborted when the release is wanted no more. */
  begin(release: number): AbortSignal {
    const starts = this.#byRelease.get(release) ?? { count: 0, calledOff: new AbortController() }
    this.#byRelease.set(release, starts)
    starts.count++
    return starts.calledOff.signal
  }

  ended(release: number): void {
    const starts = this.#byRelease.get(release)
    if (starts && --starts.count === 0) this.#byRelease.delete(release)
  }

  /** Calls off all but those of the given releases. */
  callOff(but: { has(release: number): boolean }): void {
    for (const [release, starts] of this.#byRelease) {
      if (but.has(release)) continue
      starts.calledOff.abort()
      starts.calledOff = new AbortController()
    }
  }
}
