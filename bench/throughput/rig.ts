import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Backend and client share one CPU, the proxy has the other to itself: the same for both proxies. */
const proxyCpu = '0'
const restCpu = '1'
/** As bin/up.ts starts an edge. */
const edgeFlags = ['--max-semi-space-size=64', '--always-sparkplug', '--no-lazy-feedback-allocation']
export type ProxyName = 'edge' | 'haproxy'

/** Backend, stub agent, edge and HAProxy, each a process of its own; ended with `close`. */
export class Rig implements AsyncDisposable {
  readonly ports: Record<ProxyName | 'backend', number>
  #children: ChildProcess[] = []
  readonly #folder = mkdtempSync(join(tmpdir(), 'throughput-'))

  private constructor(ports: number[]) {
    const [backend, haproxy, edge] = ports as [number, number, number]
    this.ports = { backend, haproxy, edge }
  }

  static async start(): Promise<Rig> {
    const rig = new Rig(await freePorts(3))
    const { ports } = rig
    try {
      const agentPath = join(rig.#folder, 'holds.sock')
      await rig.#node(restCpu, [], 'backend.ts', String(ports.backend))
      await rig.#node(restCpu, [], 'agent.ts', agentPath, String(ports.backend))
      await rig.#node(proxyCpu, edgeFlags, 'edge.ts', String(ports.edge), agentPath)
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

  pid(proxy: ProxyName): number {
    return this.#children[proxy === 'edge' ? 2 : 3]?.pid as number
  }

  async #node(cpu: string, flags: string[], file: string, ...args: string[]): Promise<void> {
    const child = this.#spawn(cpu, process.execPath, [...flags, join(import.meta.dirname, file), ...args])
    await Promise.race([
      once(child.stdout as NodeJS.ReadableStream, 'data'),
      once(child, 'exit').then(() => Promise.reject(new Error(`${file} ended at its start`))),
    ])
  }

  #spawn(cpu: string, command: string, args: string[]): ChildProcess {
    const env = { ...process.env, PROXY_PORT: String(this.ports.haproxy), BACKEND_PORT: String(this.ports.backend) }
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

/** Ports that nobody listened at a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}
