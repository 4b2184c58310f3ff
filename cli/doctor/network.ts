import { execFile } from 'node:child_process'
import { close, constants, open } from 'node:fs'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import { type Finding, fail, ok } from './check.ts'
import { runningRoles } from './roles.ts'

const run = promisify(execFile)

/** Where users' requests and the API arrive on one machine. */
export const edgePort = 8080
export const controlPort = 8090

export async function tun(): Promise<Finding[]> {
  try {
    await promisify(close)(await promisify(open)('/dev/net/tun', constants.O_RDWR))
    return [ok('tun', '/dev/net/tun opens')]
  } catch (error) {
    const fact = `/dev/net/tun does not open: ${(error as Error).message}`
    return [
      fail('tun', fact, 'Run: modprobe tun. In a container, start it with --device /dev/net/tun --cap-add NET_ADMIN'),
    ]
  }
}

export async function nftables(): Promise<Finding[]> {
  try {
    await run('nft', ['list', 'tables'])
    return [ok('nftables', 'packet rules can be read')]
  } catch (error) {
    const fact = `nft does not work: ${(error as Error).message.split('\n').slice(0, 2).join(' ')}`
    return [fail('nftables', fact, 'Use a kernel with nf_tables; a container needs --cap-add NET_ADMIN')]
  }
}

/** Both ports are free, or are our own cloud's. */
export async function ports(): Promise<Finding[]> {
  const ours = (await runningRoles()).length > 0
  return Promise.all([portCheck(edgePort, 'apps', ours), portCheck(controlPort, 'API and dashboard', ours)])
}

export async function portCheck(port: number, what: string, ours: boolean): Promise<Finding> {
  if (await isFree(port)) return ok(`port ${port}`, ours ? `free, though a cloud runs (${what})` : `free (${what})`)
  if (ours) return ok(`port ${port}`, `in use by the running cloud (${what})`)
  const owner = await listenerOf(port)
  return fail(`port ${port}`, `taken by ${owner} (${what})`, 'End that program, or move it to another port')
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

async function listenerOf(port: number): Promise<string> {
  const { stdout } = await run('ss', ['-Hltnp', `sport = :${port}`]).catch(() => ({ stdout: '' }))
  const match = /users:\(\("([^"]+)",pid=(\d+)/.exec(stdout)
  return match ? `${match[1]}, process ${match[2]}` : 'another program'
}
