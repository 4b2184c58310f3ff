/** The last lines a program wrote, for the error that says why it ended. */
export class LastLines {
  readonly #lines: string[] = []
  readonly #keep: number
  #rest = ''

  constructor(keep = 20) {
    this.#keep = keep
  }

  add(bytes: Uint8Array) {
    const lines = (this.#rest + Buffer.from(bytes).toString('utf8')).split('\n')
    this.#rest = (lines.pop() ?? '').slice(-4096)
    this.#lines.push(...lines)
    if (this.#lines.length > this.#keep) this.#lines.splice(0, this.#lines.length - this.#keep)
  }

  get lines(): string[] {
    return this.#rest ? [...this.#lines, this.#rest] : [...this.#lines]
  }
}
