import { execFileSync, spawn } from 'node:child_process'
import { ended, ownNamespace } from './harness/netns.ts'

export const run = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: 'utf8' })

export const internet = '203.0.113.2'
export const internetToo = '198.51.100.9'
export const strangersLan = '192.168.5.5'
/** Of the host itself, on its loopback. */
export const otherHostAddress = '10.9.9.9'
/** Of the host, towards the internet. */
export const outerAddress = '203.0.113.1'

/** A network namespace that plays the internet, the LAN beside us, and gives the host another address. */
export interface Internet extends AsyncDisposable {
  /** Of a process that lives in it. */
  pid: number
}

/** To be called in a namespace of the test's own, once; `subnet` are the guests' addresses. */
export async function makeInternet(subnet: string): Promise<Internet> {
  const keeper = spawn('unshare', ['--net', 'sleep', '3600'], { stdio: 'ignore' })
  const pid = keeper.pid!
  await ownNamespace(pid)
  run('ip', 'link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'downlink', 'netns', String(pid))
  const inside = (...args: string[]) => run('nsenter', '--net', '--target', String(pid), 'ip', ...args)
  inside('address', 'add', `${internet}/24`, 'dev', 'downlink')
  inside('link', 'set', 'dev', 'downlink', 'up')
  inside('link', 'set', 'dev', 'lo', 'up')
  for (const address of [internetToo, strangersLan]) inside('address', 'add', `${address}/32`, 'dev', 'lo')
  inside('route', 'add', subnet, 'via', outerAddress)
  run('ip', 'address', 'add', `${outerAddress}/24`, 'dev', 'uplink')
  run('ip', 'link', 'set', 'dev', 'uplink', 'up')
  run('ip', 'route', 'add', 'default', 'via', internet)
  run('ip', 'address', 'add', `${otherHostAddress}/32`, 'dev', 'lo')
  return {
    pid,
    async [Symbol.asyncDispose]() {
      await ended(keeper)
    },
  }
}
