import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'

const run = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: 'utf8' })

/** A network namespace that stands for a machine, on one Ethernet with the test's own namespace. */
export interface Machine {
  address: string
  /** Of a process that lives in it, and with which it ends. */
  pid: number
  ip(...args: string[]): string
  nft(rules: string): void
  /** Pulls its cable, or plugs it in again. */
  cable(state: 'up' | 'down'): void
  end(): Promise<void>
}

const network = '10.99.0'
/** Of the test's own namespace, which is everybody's gateway. */
export const hubAddress = `${network}.1`

/** To be called in a namespace of the test's own (see isolation-own-network.ts), once. */
export function makeHub() {
  run('ip', 'link', 'add', 'hub', 'type', 'bridge')
  run('ip', 'address', 'add', `${hubAddress}/24`, 'dev', 'hub')
  run('ip', 'link', 'set', 'hub', 'up')
}

/** A machine on the hub; `number` is the end of its address, 2 … 254. */
export async function makeMachine(number: number): Promise<Machine> {
  const address = `${network}.${number}`
  const keeper = spawn('unshare', ['--net', 'sleep', '900'], { stdio: 'ignore' })
  const pid = keeper.pid!
  await ownNamespace(pid)
  const inside = (...args: string[]) => run('nsenter', `--net=/proc/${pid}/ns/net`, ...args)
  const port = `port${number}`
  run('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid))
  run('ip', 'link', 'set', port, 'master', 'hub', 'up')
  for (const command of [
    'link set lo up',
    `address add ${address}/24 dev eth0`,
    'link set eth0 up',
    `route add default via ${hubAddress}`,
  ])
    inside('ip', ...command.split(' '))
  return {
    address,
    pid,
    ip: (...args) => inside('ip', ...args),
    nft: (rules) => void inside('nft', rules),
    cable: (state) => void run('ip', 'link', 'set', port, state),
    end: () => ended(keeper),
  }
}

/** Ends the process that keeps a namespace, unless it has ended. */
export async function ended(keeper: ChildProcess) {
  if (keeper.exitCode !== null || keeper.signalCode !== null) return
  const exited = once(keeper, 'exit')
  keeper.kill('SIGKILL')
  await exited
}

/** Resolves once the process has its own network namespace: `unshare` says nothing. */
export async function ownNamespace(pid: number) {
  const inode = (process: string | number) => run('readlink', `/proc/${process}/ns/net`)
  for (const until = Date.now() + 10_000; inode(pid) === inode('self'); ) {
    if (Date.now() > until) throw new Error('no namespace within 10 s')
  }
}
