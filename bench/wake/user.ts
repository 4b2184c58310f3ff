import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Sample {
  /** Wall clock when the client began, µs since the epoch. */
  beganUs: number
  firstByteMs: number
  status: number
  from?: string
  timing?: string
  body: string
}

/** The benchmark's user, in its own process. */
export class User implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<Sample>>()
  #nextId = 1

  constructor() {
    this.#child = spawn(process.execPath, [join(import.meta.dirname, 'client.ts')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const { id, error, ...sample } = JSON.parse(line) as Sample & { id: number; error?: string }
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error) waiting?.reject(new Error(error))
      else waiting?.resolve(sample)
    })
    this.#child.on('exit', () => {
      for (const waiting of this.#waiting.values()) waiting.reject(new Error('the client process ended'))
    })
  }

  get(port: number, app: string, path = '/'): Promise<Sample> {
    return this.#ask({ port, host: `${app}.localhost:${port}`, path })
  }

  /** Not by way of an edge: straight to an address, as soon as something answers there. */
  getAt(address: string, port: number, path = '/'): Promise<Sample> {
    return this.#ask({ address, port, host: address, path, patient: true })
  }

  #ask(ask: object): Promise<Sample> {
    const id = this.#nextId++
    const waiting = Promise.withResolvers<Sample>()
    this.#waiting.set(id, waiting)
    this.#child.stdin!.write(`${JSON.stringify({ id, ...ask })}\n`)
    return waiting.promise
  }

  async [Symbol.asyncDispose]() {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill()
    await ended
  }
}
