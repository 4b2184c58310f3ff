import { paint } from './paint.ts'
import { duration } from './show.ts'

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const frameMs = 100

/** Steps with their times on stderr. On a terminal the present one moves; elsewhere a line a finished step. */
export class Progress implements Disposable {
  readonly #out = process.stderr
  readonly #live: boolean
  readonly #quiet: boolean
  #timer: NodeJS.Timeout | undefined
  #label = ''
  #since = performance.now()
  #frame = 0

  constructor({ quiet = false } = {}) {
    this.#quiet = quiet
    this.#live = !quiet && Boolean(process.stderr.isTTY)
    if (this.#live) this.#timer = setInterval(() => this.#draw(), frameMs)
  }

  /** What is going on now. */
  now(label: string): void {
    if (label.split(' ')[0] !== this.#label.split(' ')[0]) this.#since = performance.now()
    this.#label = label
    this.#draw()
  }

  done(step: string, message: string, tookMs: number): void {
    if (this.#quiet) return
    this.#erase()
    this.#label = ''
    this.#since = performance.now()
    const took = paint('dim', duration(tookMs))
    this.#out.write(`${paint('green', '✓')} ${step.padEnd(9)} ${message}  ${took}\n`)
  }

  #draw(): void {
    if (!this.#live || this.#label === '') return
    this.#erase()
    const spinner = paint('cyan', frames[this.#frame++ % frames.length] ?? '')
    const took = paint('dim', duration(performance.now() - this.#since))
    const room = (this.#out.columns ?? 80) - 14 // spinner, time and some air
    this.#out.write(`${spinner} ${this.#label.slice(0, Math.max(10, room))}  ${took}`)
  }

  #erase(): void {
    if (this.#live) this.#out.write('\r\x1b[K')
  }

  [Symbol.dispose]() {
    clearInterval(this.#timer)
    this.#erase()
  }
}
