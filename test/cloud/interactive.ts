import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'

/** A client program that reads its commands from a pipe and answers each at once: one connection for all of them. */
export class Interactive implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams
  #said = ''
  #errors = ''
  #changed = () => {}

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text
      this.#changed()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text
    })
    child.on('exit', () => this.#changed())
  }

  static start(program: string, args: string[], env: Record<string, string> = {}): Interactive {
    return new Interactive(spawn(program, args, { env: { ...process.env, ...env } }))
  }

  /** Gives one line; resolves with the first match in what the program says to it. */
  async ask(line: string, answer: RegExp): Promise<string> {
    this.#said = ''
    this.#child.stdin.write(`${line}\n`)
    for (;;) {
      const found = this.#said.endsWith('\n') ? answer.exec(this.#said)?.[0] : undefined
      if (found !== undefined) return found
      if (this.#child.exitCode !== null || this.#errors !== '')
        throw new Error(`${this.#child.spawnfile} failed: ${this.#said} ${this.#errors}`)
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGKILL')
    await exited
  }
}
