import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import { NetworkRefused } from './network-errors.ts'

/** All lines or none. */
export const nft = (lines: string) => run('nft', ['-f', '-'], lines)

/** Stops at the first line that fails, and leaves what was done before it. */
export const ipBatch = (lines: string[]) => run('ip', ['-batch', '-'], `${lines.join('\n')}\n`)

/** For what may be gone already: every line is tried. */
export const ipBatchIfThere = (lines: string[]) => run('ip', ['-force', '-batch', '-'], `${lines.join('\n')}\n`, true)

/** What a set of interfaces holds; nothing if there is no such set. */
export async function interfacesInSet(table: string, set: string): Promise<string[]> {
  const listed = await run('nft', ['list', 'set', 'inet', table, set], '', true)
  const elements = /elements = \{([^}]*)\}/.exec(listed)?.[1] ?? ''
  return [...elements.matchAll(/"([^"]+)"/g)].map((match) => match[1]!)
}

const CountedAddresses = z.object({
  nftables: z.array(
    z.object({
      set: z
        .object({
          elem: z
            .array(z.object({ elem: z.object({ val: z.string(), counter: z.object({ packets: z.number() }) }) }))
            .default([]),
        })
        .optional(),
    }),
  ),
})

/** The packets counted for each address of a set; nothing if there is no such set. */
export async function packetsInSet(table: string, set: string): Promise<Map<string, number>> {
  const listed = await run('nft', ['-j', 'list', 'set', 'inet', table, set], '', true)
  if (listed === '') return new Map()
  const { nftables } = CountedAddresses.parse(JSON.parse(listed))
  return new Map(nftables.flatMap(({ set }) => (set?.elem ?? []).map(({ elem }) => [elem.val, elem.counter.packets])))
}

async function run(program: string, args: string[], input: string, mayFail = false): Promise<string> {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'], timeout: 10_000 })
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  child.stdin.on('error', () => {}) // it ended before it read all: its exit tells
  child.stdin.end(input)
  const [output, complaint, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]).catch(
    (error: Error) => {
      throw new NetworkRefused(`${program} does not start: ${error.message}`, { cause: error })
    },
  )
  if (code !== 0 && !mayFail)
    throw new NetworkRefused(`${program}: ${complaint.trim().split('\n')[0] ?? `exit ${code}`}`)
  return output
}

/** `path` below /proc/sys/net, e.g. `ipv4/conf/eth0/forwarding`; resolves with what it was before. */
export async function setSysctl(path: string, value: string): Promise<string> {
  const file = `/proc/sys/net/${path}`
  const before = (await readFile(file, 'utf8')).trim()
  if (before !== value) await writeFile(file, value)
  return before
}

/** The interfaces that a default route of this network namespace leaves by. */
export async function defaultRouteInterfaces(): Promise<string[]> {
  const lines = (await readFile('/proc/self/net/route', 'utf8')).trim().split('\n').slice(1)
  const names = lines.map((line) => line.split('\t')).filter((f) => f[1] === '00000000' && f[7] === '00000000')
  return [...new Set(names.flatMap((fields) => fields[0] ?? []))].sort()
}

/** Single addresses that this network namespace has a route to. */
export async function routedAddresses(): Promise<string[]> {
  const lines = (await readFile('/proc/self/net/route', 'utf8')).trim().split('\n').slice(1)
  const single = lines.map((line) => line.split('\t')).filter((fields) => fields[7] === 'FFFFFFFF')
  return single.map((fields) => [...Buffer.from(fields[1]!, 'hex').reverse()].join('.'))
}

/** The names of all interfaces of this network namespace (/sys would show those of the one that it was mounted in). */
export async function interfaceNames(): Promise<string[]> {
  const lines = (await readFile('/proc/self/net/dev', 'utf8')).trim().split('\n').slice(2)
  return lines.flatMap((line) => line.split(':')[0]?.trim() ?? [])
}
