import type { CostRow } from '../types.ts'
import { UsageChain, type UsageProblem } from './chain.ts'
import { fingerprint, publicKey, type SealedRecord, type UsageRecord } from './record.ts'
import { type UsagePrices, UsageSums } from './sums.ts'

/** What the cloud says before its records. */
export interface UsageHeader {
  type: 'usage'
  version: 1
  /** When it was made, ms since the epoch. */
  at: number
  /** Whole hours since the epoch whose sums can be compared, both counted. */
  fromHour: number
  toHour: number
  /** false: the records begin in the middle of the nodes' chains. */
  fromFirst: boolean
  /** node → public key, SPKI DER in base64. */
  keys: Record<string, string>
  /** What little cost says of these hours and records; none where one node alone was asked for. */
  costs?: CostRow[] | undefined
  prices: UsagePrices
}

/** An export: a header, the records in their order, and an end, without which something is missing. */
export type UsageLine =
  | UsageHeader
  | { type: 'record'; record: UsageRecord }
  | { type: 'sealed'; record: SealedRecord }
  | { type: 'unreadable'; position: number }
  | { type: 'end'; records: number }

export interface UsageVerdict {
  at: number
  nodes: { node: string; key: string; first: number; last: number; records: number; repeated: number }[]
  records: number
  /** Of other teams: their place in the chain was checked, their content is not shown. */
  sealed: number
  /** Lines of little cost that agree with the records; undefined: they were not compared. */
  sumsEqual: number | undefined
  problems: UsageProblem[]
}

/** Checks every record of an export, wherever it came from. Trusts nothing in it but the keys: compare their fingerprints. */
export async function verifyUsage(lines: AsyncIterable<UsageLine>): Promise<UsageVerdict> {
  const problems: UsageProblem[] = []
  const tell = (problem: UsageProblem) => problems.push(problem)
  const chains = new Map<string, UsageChain>()
  let header: UsageHeader | undefined
  let sums: UsageSums | undefined
  let counted = 0
  let sealed = 0
  let end: number | undefined
  for await (const line of lines) {
    if (line.type === 'usage') {
      header = line
      sums = new UsageSums(line)
    } else if (line.type === 'end') end = line.records
    else if (line.type === 'unreadable') {
      tell({ kind: 'unreadable', message: `what lies at place ${line.position} of the stream is no list of records` })
    } else if (header) {
      counted += 1
      const chain = chainOf(chains, header, line.record.node)
      const isNew = chain.take(line.record, line.type === 'sealed', tell)
      if (line.type === 'sealed') sealed += 1
      else if (isNew) sums?.add(line.record)
    }
  }
  if (!header) tell({ kind: 'unreadable', message: 'it does not begin as an export of usage does' })
  if (end !== counted)
    tell({ kind: 'gap', message: `${end ?? 'no number of'} records were announced, ${counted} are there` })
  const sumsEqual = header?.costs && sums?.compare(header.costs, header.prices, tell)
  const nodes = [...chains.values()].map(({ node, first = 0, last, records, repeated }) => {
    const key = header?.keys[node]
    return { node, key: key ? fingerprint(key) : 'unknown', first, last, records, repeated }
  })
  return { at: header?.at ?? 0, nodes, records: counted, sealed, sumsEqual, problems }
}

function chainOf(chains: Map<string, UsageChain>, { keys, fromFirst }: UsageHeader, node: string): UsageChain {
  const known = chains.get(node)
  if (known) return known
  const key = keys[node]
  const chain = new UsageChain(node, key === undefined ? undefined : publicKey(key), fromFirst)
  chains.set(node, chain)
  return chain
}
