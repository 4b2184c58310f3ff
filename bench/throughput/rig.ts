import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Backend and client share one CPU, the proxy has the other to itself: the same for both proxies. */
const proxyCpu = '0'
const restCpu = '1'
const backendPort = 17_170
export const ports = { haproxy: 17_171, edge: 17_172 }
export type ProxyName = keyof typeof ports

/** Backend, stub agent, edge and HAProxy, each a process of its own; ended with `close`. */
export class Rig implements AsyncDisposable {
  #children: ChildProcess[] = []
  readonly #folder = mkdtempSync(join(tmpdir(), 'throughput-'))

  static async start(): Promise<Rig> {
    const rig = new Rig()
    try {
      const agentPath = join(rig.#folder, 'holds.sock')
      await rig.#node(restCpu, 'backend.ts', String(backendPort))
      await rig.#node(restCpu, 'agent.ts', agentPath, String(backendPort))
      await rig.#node(proxyCpu, 'edge.ts', String(ports.edge), agentPath)
      rig.#spawn(proxyCpu, 'haproxy', ['-db', '-f', join(import.meta.dirname, 'haproxy.cfg')])
      await answers(ports.haproxy)
      return rig
    } catch (error) {
      await rig.close()
      throw error
    }
  }

  async close(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  [Symbol.asyncDispose] = () => this.close()

  /** CPU ms that the proxy has used up to now. */
  pid(proxy: ProxyName): number {
    return this.#children[proxy === 'edge' ? 2 : 3]?.pid as number
  }

  async #node(cpu: string, file: string, ...args: string[]): Promise<void> {
    const child = this.#spawn(cpu, process.execPath, [join(import.meta.dirname, file), ...args])
    await Promise.race([
      once(child.stdout as NodeJS.ReadableStream, 'data'),
      once(child, 'exit').then(() => Promise.reject(new Error(`${file} ended at its start`))),
    ])
  }

  #spawn(cpu: string, command: string, args: string[]): ChildProcess {
    const env = { ...process.env, PROXY_PORT: String(ports.haproxy), BACKEND_PORT: String(backendPort) }
    const child = spawn('taskset', ['-c', cpu, command, ...args], { stdio: ['ignore', 'pipe', 'inherit'], env })
    this.#children.push(child)
    return child
  }
}

/** Resolves when something listens at the port. */
async function answers(port: number, deadline = performance.now() + 5_000): Promise<void> {
  for (;;) {
    const socket = createConnection(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch (error) {
      if (performance.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    } finally {
      socket.destroy()
    }
  }
}
