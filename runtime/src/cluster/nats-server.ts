import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster, type NatsConfig } from './connect.ts'
import { NatsServerFailed } from './errors.ts'
import { findNatsServer } from './nats-binary.ts'
import { natsConfigText } from './nats-config.ts'
import { natsUser } from './nats-user.ts'

export interface NatsServerOptions {
  /** Its data, configuration and log. */
  dir: string
  port: number
  /** Default: loopback only. */
  host?: string
  binary?: string
}

/** Everything a supervisor needs to run it; the files it names are written. */
export async function prepareNatsServer({ dir, port, host = '127.0.0.1', binary }: NatsServerOptions) {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const user = natsUser(join(dir, 'user.json'))
  const file = join(dir, 'nats.conf')
  writeFileSync(file, natsConfigText({ dir, host, port, ...user }), { mode: 0o600 })
  const config: NatsConfig = { url: `${host}:${port}`, ...user }
  return { command: binary ?? (await findNatsServer()), args: ['-c', file], config, logFile: join(dir, 'nats.log') }
}

/** A nats-server that is a child of this process. */
export class NatsServer implements AsyncDisposable {
  readonly config: NatsConfig
  readonly #child: ChildProcess
  readonly #exited: Promise<void>

  /** Resolves once JetStream answers; throws NatsServerFailed with the end of its log. */
  static async start(options: NatsServerOptions, deadlineMs = 10_000): Promise<NatsServer> {
    const { command, args, config, logFile } = await prepareNatsServer(options)
    const server = new NatsServer(spawn(command, args, { stdio: 'ignore' }), config)
    const gone = server.#exited.then(() => {
      throw new NatsServerFailed(`nats-server ended at once: ${lastLines(logFile)}`)
    })
    try {
      await Promise.race([natsAnswers(config, deadlineMs), gone])
    } catch (error) {
      await server.kill()
      if (error instanceof NatsServerFailed) throw error
      throw new NatsServerFailed(`nats-server does not answer: ${lastLines(logFile)}`, { cause: error })
    }
    return server
  }

  private constructor(child: ChildProcess, config: NatsConfig) {
    this.#child = child
    this.config = config
    this.#exited = new Promise((resolve) => {
      child.once('exit', () => resolve())
      child.once('error', () => resolve())
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get exited(): Promise<void> {
    return this.#exited
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Lets it end in order; after 5 s it is killed. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    await Promise.race([this.#exited, delay(5_000, undefined, { ref: false })])
    await this.kill()
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

/** Resolves once JetStream answers at that address, with that user. */
export async function natsAnswers(config: NatsConfig, deadlineMs: number): Promise<void> {
  await using cluster = Cluster.open(config, { name: 'readiness' })
  const nats = await cluster.connection('nats-server', deadlineMs)
  await nats.request('$JS.API.INFO', '', { timeout: deadlineMs })
}

function lastLines(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim().split('\n').slice(-3).join(' | ')
  } catch {
    return 'it wrote no log'
  }
}
