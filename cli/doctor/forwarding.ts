import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { z } from 'zod'
import { type Finding, ok, warn } from './check.ts'

const run = promisify(execFile)

const Ruleset = z.object({
  nftables: z.array(
    z.object({
      chain: z
        .object({
          family: z.string(),
          table: z.string(),
          name: z.string(),
          hook: z.string().optional(),
          policy: z.string().optional(),
        })
        .optional(),
    }),
  ),
})

/**
 * Docker and ufw let nothing pass the machine that they did not begin, and a packet passes only if every table lets it:
 * our own accept is not enough. Guests would be without internet, which nobody would look for here.
 */
export async function forwarding(): Promise<Finding[]> {
  const { stdout } = await run('nft', ['-j', 'list', 'chains'])
  return [forwardingOf(stdout)]
}

export function forwardingOf(json: string): Finding {
  const chains = Ruleset.parse(JSON.parse(json)).nftables.flatMap(({ chain }) => chain ?? [])
  const closed = chains.filter(
    ({ family, hook, policy }) => family !== 'ip6' && hook === 'forward' && policy === 'drop',
  )
  if (closed.length === 0) return ok('forward', "no firewall's policy keeps guests from the internet")
  const names = closed.map(({ family, table, name }) => `${family} ${table} ${name}`).join(', ')
  const user = chains.some(({ name }) => name === 'DOCKER-USER') ? 'DOCKER-USER' : 'FORWARD'
  const guests = process.env.LITTLE_SUBNET ?? '10.77.0.0/16'
  return warn(
    'forward',
    `a firewall drops what passes this machine (${names}): guests may be without internet`,
    `iptables -I ${user} -s ${guests} -j ACCEPT; iptables -I ${user} -d ${guests} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT`,
  )
}
