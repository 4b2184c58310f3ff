/** An edge asks again every second for as long as somebody waits; then the one it waited for has given up. */
const believedMs = 5_000

/** The apps one edge waits for because they are starting: what it then gets was started for it. */
export class Waits {
  readonly #waits = new Map<string, { sinceMs: number; askedMs: number }>()

  asked(app: string, nowMs: number) {
    const known = this.#waits.get(app)
    const goesOn = known && nowMs - known.askedMs < believedMs
    this.#waits.set(app, { sinceMs: goesOn ? known.sinceMs : nowMs, askedMs: nowMs })
  }

  /** The edge gets an instance of the app; true if that one came to be while it waited. */
  over(app: string, readyAtMs: number, nowMs: number): boolean {
    const wait = this.#waits.get(app)
    this.#waits.delete(app)
    return wait !== undefined && nowMs - wait.askedMs < believedMs && readyAtMs >= wait.sinceMs
  }
}
