import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Link } from '../runtime/src/host/network.ts'
import type { PeerCommand, PeerReport } from './isolation-peer.ts'

/** What one network namespace sent and saw. */
export class Peer {
  readonly received: { text: string; from: string }[] = []
  readonly #child: ChildProcess
  #refused: ((why: string) => void) | undefined
  readonly #waiting = new Map<string, () => void>()

  /** `namespace`: pid of a process in it; undefined: ours. `tcp`: ports where it takes connections too. */
  static async start(port: number, namespace?: number, tcp: number[] = []): Promise<Peer> {
    const enter = namespace === undefined ? [] : ['nsenter', '--net', '--target', String(namespace)]
    const script = `${import.meta.dirname}/isolation-peer.ts`
    const [program, ...args] = [...enter, process.execPath, script, String(port), ...tcp.map(String)]
    const peer = new Peer(spawn(program!, args, { stdio: ['pipe', 'pipe', 'inherit'] }))
    await peer.arrival('listening')
    return peer
  }

  private constructor(child: ChildProcess) {
    this.#child = child
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const report = JSON.parse(line) as PeerReport
      if ('received' in report) this.received.push({ text: report.received, from: report.from })
      if ('failed' in report) this.#refused?.(report.failed)
      const text = 'received' in report ? report.received : 'failed' in report ? report.failed : 'listening'
      this.#waiting.get(text)?.()
    })
  }

  send(command: PeerCommand) {
    this.#child.stdin!.write(`${JSON.stringify(command)}\n`)
  }

  /** Resolves when this text arrives; call it before it is sent. */
  arrival(text: string, deadlineMs = 15_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${text} did not arrive within ${deadlineMs} ms`)), deadlineMs)
      this.#waiting.set(text, () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** Resolves with the reason of the next packet that could not be sent. */
  refusal(deadlineMs = 15_000): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#refused = resolve
      setTimeout(() => reject(new Error(`nothing was refused within ${deadlineMs} ms`)), deadlineMs).unref()
    })
  }

  saw(text: string) {
    return this.received.find((packet) => packet.text === text)
  }

  stop() {
    this.#child.kill()
  }
}

/** A guest without QEMU: a network namespace behind the instance's tap, in which a peer runs. */
export class StandIn {
  readonly peer: Peer
  readonly #cable: ChildProcess

  private constructor(cable: ChildProcess, peer: Peer) {
    this.#cable = cable
    this.peer = peer
  }

  static async start(cable: string, link: Link, port: number): Promise<StandIn> {
    const child = spawn(cable, [link.tap], { stdio: ['pipe', 'pipe', 'inherit'] })
    const ready = await Promise.race([
      new Promise<boolean>((resolve) => child.stdout.once('data', () => resolve(true))),
      new Promise<boolean>((resolve) => child.once('exit', () => resolve(false))),
    ])
    if (!ready) throw new Error(`the cable to ${link.tap} could not be made`)
    configure(child.pid!, link)
    return new StandIn(child, await Peer.start(port, child.pid))
  }

  /** `ip …` inside. */
  ip(...args: string[]) {
    execFileSync('nsenter', ['--net', '--target', String(this.#cable.pid), 'ip', ...args])
  }

  /** Runs a program inside, to its end. */
  run(program: string, ...args: string[]) {
    execFileSync('nsenter', ['--net', '--target', String(this.#cable.pid), program, ...args])
  }

  stop() {
    this.peer.stop()
    this.#cable.kill()
  }
}

/** What guest/init does inside of a real one. */
function configure(namespace: number, { address, mac, gateway, gatewayMac }: Link) {
  const lines = [
    'link set dev lo up',
    `link set dev eth0 address ${mac}`,
    'link set dev eth0 up',
    `address add ${address}/32 dev eth0`,
    `neighbour replace ${gateway} lladdr ${gatewayMac} dev eth0 nud permanent`,
    `route add ${gateway}/32 dev eth0`,
    `route add default via ${gateway} dev eth0`,
  ]
  const command = ['--net', '--target', String(namespace), 'ip', '-batch', '-']
  execFileSync('nsenter', command, { input: `${lines.join('\n')}\n` })
}
