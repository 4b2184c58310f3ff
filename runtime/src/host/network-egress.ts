import { distinct, type Egress } from '../model/egress.ts'
import { type NetworkNames, tapOffset } from './network-names.ts'

/** In the table of network-rules.ts: a guest's address → a chain of its own, for those whose app has a list. */
export const egressMap = 'map egress { type ipv4_addr : verdict; }'
/** Guests to whom not even names are answered. */
export const namelessSet = 'set nameless { type ipv4_addr; }'

/** Lets the guest's own connections go where its app's list says; the same whatever was said of this address before. */
export function restrict(names: NetworkNames, tap: string, address: string, egress: Egress): string {
  const { allow, deny } = egress
  const rules = [
    ...(deny.length > 0 ? [`ip daddr { ${distinct(deny).join(', ')} } goto refused`] : []),
    ...(allow === undefined
      ? []
      : allow.length === 0
        ? ['goto refused']
        : [`ip daddr != { ${distinct(allow).join(', ')} } goto refused`]),
  ]
  if (rules.length === 0) return ''
  const chain = chainOf(names, tap)
  return [
    unrestrict(names, tap, address),
    `add chain inet ${names.table} ${chain}`,
    ...rules.map((rule) => `add rule inet ${names.table} ${chain} ${rule}`),
    `add element inet ${names.table} egress { ${address} : jump ${chain} }`,
    ...(allow?.length === 0 ? [`add element inet ${names.table} nameless { ${address} }`] : []),
    '',
  ].join('\n')
}

/** Also where there was no list: deleting what is not there would fail, so all of it is added first. */
export function unrestrict(names: NetworkNames, tap: string, address: string): string {
  const table = `inet ${names.table}`
  const chain = chainOf(names, tap)
  return [
    `table ${table} {`,
    `  ${egressMap}`,
    `  ${namelessSet}`,
    `  chain ${chain} { }`,
    '}',
    `add element ${table} egress { ${address} : jump ${chain} }`,
    `delete element ${table} egress { ${address} : jump ${chain} }`,
    `add element ${table} nameless { ${address} }`,
    `delete element ${table} nameless { ${address} }`,
    `flush chain ${table} ${chain}`,
    `delete chain ${table} ${chain}`,
    '',
  ].join('\n')
}

const chainOf = (names: NetworkNames, tap: string) => `egress_${tapOffset(names, tap)}`
