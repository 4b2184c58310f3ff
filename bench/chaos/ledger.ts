import { runMs, type UsageRecord } from '../../runtime/src/model/usage.ts'
import type { CostRow } from '../../sdk/src/index.ts'
import type { Kill } from './kills.ts'
import type { Asked } from './traffic.ts'

export interface Ledger {
  records: number
  /** Numbers that never came, breaks of the chain, replies that no billed time covers, and sums that billing lacks. */
  usage_lost: number
  /** Moments and numbers that came twice with different content, and sums that billing has too much. */
  usage_doubled: number
  /** What was found, in words. */
  usage_findings: string[]
}

/** QEMU's wall clock and the client's differ by their rounding. */
const clockSlackMs = 3
/** Looked at once a second, and late under load. */
const lastSeenMs = 3_000

/**
 * The node's records against what is known without them: their own numbers and chain, the replies that clients got (an
 * instance that answered ran), and the sums that billing made of them.
 */
export function audit(all: UsageRecord[], asked: Asked[], kills: Kill[], costs: CostRow[]): Ledger {
  const lost: string[] = []
  const doubled: string[] = []
  const records = new Map<number, UsageRecord>()
  for (const record of all) {
    const before = records.get(record.sequence)
    if (before && before.hash !== record.hash) doubled.push(`number ${record.sequence} has two contents`)
    records.set(record.sequence, record)
  }
  const chain = [...records.values()].toSorted((a, b) => a.sequence - b.sequence)
  for (const [index, record] of chain.entries()) {
    const before = chain[index - 1]
    if (record.sequence !== (before?.sequence ?? 0) + 1) lost.push(`a gap before number ${record.sequence}`)
    else if (before && record.previousHash !== before.hash) lost.push(`the chain breaks at ${record.sequence}`)
  }
  for (const [instance, own] of Map.groupBy(chain, ({ instance }) => instance)) {
    const inOrder = own.toSorted((a, b) => a.startUs - b.startUs)
    for (const [index, { startUs }] of inOrder.entries()) {
      const before = inOrder[index - 1]
      if (before && startUs < before.endUs - clockSlackMs * 1000) doubled.push(`${instance} at ${startUs}`)
    }
  }
  lost.push(...uncovered(chain, asked, kills))
  for (const { app, kind, ms } of sums(chain)) {
    const billed = costs.find((row) => row.app === app && row.kind === kind)?.runMs ?? 0
    if (billed < ms - 1) lost.push(`billing has ${billed} of ${ms} ms ${kind} of ${app}`)
    if (billed > ms + 1) doubled.push(`billing has ${billed} ms ${kind} of ${app}, of ${ms}`)
  }
  return {
    records: chain.length,
    usage_lost: lost.length,
    usage_doubled: doubled.length,
    usage_findings: [...lost, ...doubled].slice(0, 20),
  }
}

/** Replies of an app that was not running, as its records have it. */
function uncovered(records: UsageRecord[], asked: Asked[], kills: Kill[]): string[] {
  const runs = Map.groupBy(records, ({ app }) => app)
  return asked.flatMap(({ app, beganAt, endedAt, failure }) => {
    if (failure) return []
    if (unseen(app, endedAt, kills)) return []
    const until = endedAt - clockSlackMs
    const covered = runs
      .get(app)
      ?.some(
        ({ startUs, endUs }) => startUs / 1000 <= endedAt + clockSlackMs && endUs / 1000 >= Math.min(until, beganAt),
      )
    return covered ? [] : [`a reply of ${app} at ${endedAt}`]
  })
}

/**
 * A microVM that is killed while its agent is dead has run unseen from the agent's end, or its last look, to its own:
 * nobody is billed for that, by design.
 */
function unseen(app: string, at: number, kills: Kill[]): boolean {
  return kills.some((kill) => {
    if (kill.app !== app || kill.at < at) return false
    const agent = kills.findLast(({ victim, at }) => victim === 'host' && at <= kill.at)
    return at >= Math.min(kill.at, agent?.at ?? kill.at) - lastSeenMs
  })
}

function sums(records: UsageRecord[]) {
  return [...Map.groupBy(records, ({ app, kind }) => `${app} ${kind}`).values()].map((own) => ({
    app: own[0]!.app,
    kind: own[0]!.kind,
    ms: own.reduce((sum, record) => sum + runMs(record), 0),
  }))
}
