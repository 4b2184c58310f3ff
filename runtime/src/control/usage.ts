import { z } from 'zod'
import { ask } from '../cluster/ask.ts'
import type { Cluster } from '../cluster/connect.ts'
import type { Start } from '../cluster/ordered.ts'
import { read } from '../cluster/stream.ts'
import { subjects } from '../cluster/subjects.ts'
import { type NodeId, nodeId, type TeamId } from '../core/ids.ts'
import { CostAudit, CostRow } from '../model/cost.ts'
import { ownerTeam } from '../model/team.ts'
import type { Cloud } from './cloud.ts'

const msPerHour = 3_600_000
/** The last moment that a Date can hold: a node whose clock is ahead is billed as well. */
const endOfTimeMs = 8.64e15

/** As it was published, with whatever is in it: who verifies has to see that as well. */
const Raw = z.looseObject({ team: z.string().optional() })
const Batch = z.array(Raw)

const Header = z.object({
  type: z.literal('usage'),
  version: z.literal(1),
  at: z.number(),
  fromHour: z.number(),
  toHour: z.number(),
  fromFirst: z.boolean(),
  keys: z.record(z.string(), z.string()),
  costs: z.array(CostRow).optional(),
  prices: CostAudit.shape.prices,
})
export const UsageLine = z.discriminatedUnion('type', [
  Header,
  z.object({ type: z.literal('record'), record: Raw }),
  z.object({ type: z.literal('sealed'), record: Raw }),
  z.object({ type: z.literal('unreadable'), position: z.number() }),
  z.object({ type: z.literal('end'), records: z.number() }),
])
export type UsageLine = z.infer<typeof UsageLine>

export interface UsageQuery {
  team: TeamId
  /** Whole hours: the hour that contains it counts. */
  fromMs?: number | undefined
  toMs?: number | undefined
  node?: string | undefined
}

/**
 * Everything that verifying needs: keys, what little cost says this moment, and the records that it was counted from.
 * Billing tells how far it has read, and the records end there: so the two can be compared while usage goes on.
 */
export async function* exportUsage(cloud: Cloud, cluster: Cluster, query: UsageQuery): AsyncGenerator<UsageLine> {
  const { team, fromMs, toMs, node } = query
  const question = { by: 'app', ...(team !== ownerTeam && { team }), ...(fromMs && { fromMs }), ...(toMs && { toMs }) }
  const options = { schema: CostAudit, deadlineMs: 10_000 }
  const { position, rows, prices } = await ask(cluster, subjects.askBilling('audit'), question, options)
  const fromHour = Math.floor((fromMs ?? 0) / msPerHour)
  yield {
    type: 'usage',
    version: 1,
    at: Date.now(),
    fromHour,
    toHour: Math.floor((toMs ?? endOfTimeMs) / msPerHour),
    fromFirst: fromMs === undefined,
    keys: Object.fromEntries((await cloud.hosts.all()).map(({ id, publicKey }) => [id, publicKey])),
    ...(node === undefined && { costs: rows }),
    prices,
  }
  let records = 0
  for await (const line of stored(cluster, position, fromMs && fromHour * msPerHour, node && nodeId(node))) {
    if (line.type === 'record') {
      records += 1
      yield team === ownerTeam || line.record.team === team ? line : { type: 'sealed', record: sealed(line.record) }
    } else yield line
  }
  yield { type: 'end', records }
}

/** A record is stored after what it tells of, so none of an hour lies before it in the stream. */
async function* stored(cluster: Cluster, position: number, fromMs: number | undefined, node: NodeId | '' | undefined) {
  if (position === 0) return
  const start: Start = fromMs === undefined ? { at: 'first' } : { at: 'time', ms: fromMs }
  const filter = node ? subjects.usage(node) : 'usage.>'
  const unreadable: number[] = []
  const onUnreadable = (sequence: number) => unreadable.push(sequence)
  const batches = read(cluster, { stream: 'USAGE', filter, schema: Batch, start, follow: false, onUnreadable })
  for await (const { sequence, value } of batches) {
    if (sequence > position) break
    for (const record of value) yield { type: 'record', record } as const
  }
  for (const place of unreadable) if (place <= position) yield { type: 'unreadable', position: place } as const
}

/** What holds the chain together, without what another team did. */
function sealed({ node, sequence, previousHash, hash, signature }: z.infer<typeof Raw>) {
  return { node, sequence, previousHash, hash, signature }
}
