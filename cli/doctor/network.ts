import { execFile } from 'node:child_process'
import { close, constants, open } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { dataDir } from '../../runtime/src/core/paths.ts'
import { type Finding, fail, ok } from './check.ts'
import { livingRoles } from './roles.ts'

const run = promisify(execFile)

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
  const { edgePort, apiPort } = await wantedPorts()
  const ours = livingRoles().some(({ role }) => role === 'up')
  return Promise.all([
    portCheck({ port: edgePort, what: 'apps', variable: 'LITTLE_EDGE_PORT' }, ours),
    portCheck({ port: apiPort, what: 'API', variable: 'LITTLE_API_PORT' }, ours),
  ])
}

/** As `little up` chooses them: the environment, then what this cloud had before, then the usual. */
async function wantedPorts(): Promise<{ edgePort: number; apiPort: number }> {
  const text = await readFile(join(dataDir(), 'cloud.json'), 'utf8').catch(() => '{}')
  const before = KeptPorts.safeParse(JSON.parse(text)).data ?? {}
  const port = (given: string | undefined, kept: number | undefined, usual: number) => Number(given) || kept || usual
  return {
    edgePort: port(process.env.LITTLE_EDGE_PORT, before.edgePort, 8080),
    apiPort: port(process.env.LITTLE_API_PORT, before.apiPort, 8090),
  }
}

const KeptPorts = z.object({ edgePort: z.number(), apiPort: z.number() }).partial()

interface Port {
  port: number
  what: string
  /** Moves it elsewhere. */
  variable: string
}

export async function portCheck({ port, what, variable }: Port, ours: boolean): Promise<Finding> {
  const name = `port ${port}`
  if (await isFree(port)) return ok(name, ours ? `free, though a cloud runs (${what})` : `free (${what})`)
  if (ours) return ok(name, `in use by the running cloud (${what})`)
  return fail(
    name,
    `taken by ${await listenerOf(port)} (${what})`,
    `End that program, or set ${variable}=${port + 1000}`,
  )
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
