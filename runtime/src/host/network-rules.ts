import { guestMac } from '../vm/machine.ts'
import { egressMap, namelessSet } from './network-egress.ts'
import type { NetworkNames } from './network-names.ts'

/** Where no guest may go: the host's neighbourhood, other clouds' metadata, and what is no single machine. */
const notTheInternet = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/3',
]

/** Connections out that one guest may have at a time: one guest must not fill the host's table of all (262,144). */
const mostFlows = 4096

/** Names that one guest may ask for in a second: they are answered by the process that wakes all of them. */
const questionsPerSecond = 100

const sourcesSet = 'set sources { type ifname . ipv4_addr; }'

interface RuleOptions {
  gateway: string
  subnet: string
  /** What one guest may send to the internet; it may be ahead of that by half a second. */
  egressKbytesPerSecond: number
}

/**
 * The whole table, for `nft -f`. Applied to a table that is there already it renews the rules and leaves the sets, so
 * that the guests of an agent that restarts are never without rules, nor cut off.
 *
 * Whatever comes from an interface with our prefix is judged here; a tap that is in no set gets nowhere. Nothing else
 * of the host's traffic is touched: policies are `accept`, and an accept here is not the last word, other tables follow.
 */
export function networkRules(names: NetworkNames, { gateway, subnet, egressKbytesPerSecond }: RuleOptions): string {
  const tap = `"${names.tapPrefix}*"`
  const chains = [
    'spoofed',
    'arriving',
    'to_host',
    'for_host',
    'from_guest',
    'to_guest',
    'passing',
    'leaving',
    'asking',
    'refused',
  ]
  // Before connections are tracked (-400: fragments are put together there), so that no forged packet leaves a trace.
  const hooks = `
    chain arriving { type filter hook prerouting priority -450; policy accept; }
    chain for_host { type filter hook input priority -10; policy accept; }
    chain passing { type filter hook forward priority -10; policy accept; }
    chain leaving { type nat hook postrouting priority 100; policy accept; }
    chain spoofed { }
    chain to_host { }
    chain from_guest { }
    chain to_guest { }
    chain asking { }
    chain refused { }`
  const burstKbytes = Math.max(64, Math.round(egressKbytesPerSecond / 2))
  const rules = {
    arriving: [`iifname ${tap} jump spoofed`],
    spoofed: ['meta nfproto != ipv4 drop', `ether saddr != ${guestMac} drop`, 'iifname . ip saddr != @sources drop'],
    for_host: [`iifname ${tap} jump to_host`],
    to_host: [
      'ct state established accept', // the answers to this host's edges
      'ct state related meta l4proto icmp accept',
      'ip saddr @nameless goto refused',
      `ip daddr ${gateway} meta l4proto { tcp, udp } th dport 53 jump asking`,
      'goto refused',
    ],
    passing: [`iifname ${tap} jump from_guest`, `oifname ${tap} jump to_guest`],
    from_guest: [
      `oifname ${tap} goto refused`,
      `ip daddr != @edges update @rates { ip saddr limit rate over ${egressKbytesPerSecond} kbytes/second burst ${burstKbytes} kbytes } drop`,
      'ct state established accept',
      'ct state related meta l4proto icmp accept',
      'ip daddr @not_the_internet goto refused',
      'oifname != @uplinks goto refused',
      'ip saddr vmap @egress',
      `ct state new add @flows { ip saddr ct count over ${mostFlows} } drop`,
      'accept',
    ],
    to_guest: [
      'ct state established accept',
      'ct state related meta l4proto icmp accept',
      'ct state new ip saddr @edges accept',
      'drop',
    ],
    asking: [
      `update @questions { ip saddr limit rate over ${questionsPerSecond}/second burst ${2 * questionsPerSecond} packets } drop`,
      'accept',
    ],
    // Counted per guest, so that its log can say it; the answer lets the program fail at once instead of waiting.
    refused: ['update @refusals { ip saddr }', 'reject with icmp type admin-prohibited'],
    leaving: [`ip saddr ${subnet} oifname @uplinks masquerade`],
  }
  const table = `inet ${names.table}`
  return [
    `table ${table} {`,
    sourcesSet,
    '  set uplinks { type ifname; }',
    '  set opened { type ifname; }',
    '  set edges { type ipv4_addr; }',
    '  set rates { type ipv4_addr; size 65536; flags dynamic; }',
    '  set questions { type ipv4_addr; size 65536; flags dynamic; }',
    '  set refusals { type ipv4_addr; size 65536; flags dynamic; counter; }',
    `  ${namelessSet}`,
    `  ${egressMap}`,
    '  set flows { type ipv4_addr; size 65536; flags dynamic; }',
    `  set not_the_internet { type ipv4_addr; flags interval; elements = { ${notTheInternet.join(', ')} } }`,
    hooks,
    '}',
    ...chains.map((chain) => `flush chain ${table} ${chain}`),
    ...Object.entries(rules).flatMap(([chain, lines]) => lines.map((line) => `add rule ${table} ${chain} ${line}`)),
    '',
  ].join('\n')
}

/** What guests have sent lately: each guest's entry keeps the rate that it was made with. */
export const forgetRates = (names: NetworkNames) => `flush set inet ${names.table} rates\n`

/** Lets the tap send from the address, and from no other. */
export const allowSource = (names: NetworkNames, tap: string, address: string) =>
  `add element inet ${names.table} sources { "${tap}" . ${address} }\n`

/** The same whether it was allowed or not: deleting what is not there would fail, so all of it is added first. */
export const forbidSource = (names: NetworkNames, tap: string, address: string) =>
  `table inet ${names.table} { ${sourcesSet}; }\n${allowSource(names, tap, address)}delete element inet ${names.table} sources { "${tap}" . ${address} }\n`

/** Kept in the kernel, for the agent that closes the network may be another than the one that opened it. */
export const rememberOpened = (names: NetworkNames, name: string) =>
  `add element inet ${names.table} opened { "${name}" }\n`

/** Replaces a set's elements in one step. */
export const replaceSet = (names: NetworkNames, set: 'uplinks' | 'edges' | 'sources', elements: string[]) =>
  [
    `flush set inet ${names.table} ${set}`,
    ...(elements.length > 0 ? [`add element inet ${names.table} ${set} { ${elements.join(', ')} }`] : []),
    '',
  ].join('\n')

/** Also when there is none. */
export const removeTable = (names: NetworkNames) => `add table inet ${names.table}\ndelete table inet ${names.table}\n`
