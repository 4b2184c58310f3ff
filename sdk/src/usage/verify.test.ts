import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testNode } from '../../../runtime/src/billing/node.fixture.ts'
import { defaultPrices, priceOf } from '../../../runtime/src/model/price.ts'
import type { UsageRecord as Record } from '../../../runtime/src/model/usage.ts'
import type { CostRow } from '../types.ts'
import { type UsageHeader, type UsageLine, verifyUsage } from './verify.ts'

const node = testNode('n1')
const records = [
  node.record(),
  node.record({ kind: 'prepare' }),
  node.record({ vcpus: 2, memoryMib: 512 }),
  node.record({ team: 'other' }),
  node.record(),
]

function costs(of: Record[]): CostRow[] {
  return [...Map.groupBy(of, ({ team, app, kind }) => `${team} ${app} ${kind}`).values()].map((group) => {
    const { team, app, kind } = group[0]!
    const sum = (value: (record: Record) => number) => group.reduce((total, record) => total + value(record), 0)
    const runUs = (record: Record) => record.endUs - record.startUs
    const used = {
      vcpuUs: BigInt(sum((record) => runUs(record) * record.vcpus)),
      mibUs: BigInt(sum((record) => runUs(record) * record.memoryMib)),
      egressBytes: BigInt(sum(({ egressBytes }) => egressBytes)),
    }
    return {
      ...{ team, app, kind, runMs: sum(runUs) / 1000, vcpuMs: Number(used.vcpuUs) / 1000 },
      ...{ mibMs: Number(used.mibUs) / 1000, egressBytes: Number(used.egressBytes) },
      requests: sum(({ requests }) => requests),
      microcredits: String(kind === 'prepare' ? 0n : priceOf(used)),
    }
  })
}

const { perVcpuHour, perGibHour, perEgressGb } = defaultPrices
const header: UsageHeader = {
  ...{ type: 'usage', version: 1, at: 0, fromHour: 0, toHour: 10_000_000, fromFirst: true },
  keys: { n1: node.publicKey },
  costs: costs(records),
  prices: { perVcpuHour: `${perVcpuHour}`, perGibHour: `${perGibHour}`, perEgressGb: `${perEgressGb}` },
}
const line = (record: Record): UsageLine => ({ type: 'record', record })
const exported = (of: Record[], change: Partial<UsageHeader> = {}): UsageLine[] => [
  { ...header, ...change },
  ...of.map(line),
  { type: 'end', records: of.length },
]

async function verdict(lines: UsageLine[]) {
  return verifyUsage(
    (async function* () {
      yield* lines
    })(),
  )
}
const problems = async (lines: UsageLine[]) =>
  (await verdict(lines)).problems.map(({ kind, sequence }) => [kind, sequence] as const)

test('what a node signed and little cost charges is found right, also where records were delivered twice', async () => {
  const found = await verdict(exported(records))
  assert.deepEqual(found.problems, [])
  assert.deepEqual([found.records, found.sumsEqual], [5, 3])
  const [first, second, ...rest] = records as [Record, Record, ...Record[]]
  const twice = await verdict(exported([first, second, first, second, ...rest]))
  assert.deepEqual([twice.problems, twice.nodes[0]?.repeated], [[], 2])
})

test('a changed field, a forged record and one of another node are named', async () => {
  for (const field of ['startUs', 'endUs', 'egressBytes', 'vcpus', 'sequence'] as const) {
    const changed = records.map((record, at) => (at === 2 ? { ...record, [field]: record[field] + 1 } : record))
    const [first] = (await verdict(exported(changed))).problems
    assert.equal(first?.kind, 'changed', field)
    assert.deepEqual(first?.record, changed[2])
  }
  const stranger = testNode('n1')
  const forged = [...records, { ...stranger.record(), sequence: 6 }, stranger.record({ sequence: 6 })]
  assert.deepEqual((await problems(exported(forged))).slice(0, 2), [
    ['changed', 6],
    ['not signed', 6],
  ])
  assert.deepEqual((await problems(exported(records, { keys: {} })))[0], ['no key', 1])
})

test('a record that is missing at the begin, in the middle or at the end leaves a gap', async () => {
  const without = (at: number) => records.filter((_, index) => index !== at)
  assert.deepEqual((await problems(exported(without(0))))[0], ['gap', 2])
  assert.deepEqual((await problems(exported(without(2))))[0], ['gap', 4])
  assert.deepEqual(
    (await problems(exported(without(4)))).map(([kind]) => kind),
    ['sum'],
  )
  assert.deepEqual((await problems(exported(records).slice(0, -1)))[0], ['gap', undefined])
})

test('a chain that was rewritten by its own node, and a number that it gave twice, are found', async () => {
  const liar = testNode('n1')
  const own = [liar.record(), liar.record(), liar.record({ previousHash: 'f'.repeat(64) }), liar.record()]
  const lines = exported(own, { keys: { n1: liar.publicKey }, costs: costs(own) })
  assert.deepEqual(await problems(lines), [['not chained', 3]])
  const twice = [...own.slice(0, 2), liar.record({ sequence: 2 })]
  assert.deepEqual((await problems(exported(twice, { keys: { n1: liar.publicKey }, costs: undefined })))[0], [
    'twice',
    2,
  ])
})

test('sums that are not those of the records are told with both figures', async () => {
  const [first, ...others] = costs(records) as [CostRow, ...CostRow[]]
  const more = [{ ...first, requests: first.requests + 1, microcredits: '999' }, ...others]
  const [problem, ...rest] = (await verdict(exported(records, { costs: more }))).problems
  assert.match(
    problem?.message ?? '',
    /^main\/hello \(run\): 3 requests by the records, 4 by little cost, \d+ micro-credits/,
  )
  assert.deepEqual(rest, [])
  assert.deepEqual(
    (await verdict(exported(records, { costs: others }))).problems.map(({ kind }) => kind),
    ['sum'],
  )
})

test("another team's record keeps its place in the chain without its content", async () => {
  const lines = exported(records, { costs: costs(records.filter(({ team }) => team === 'main')) }).map((one) => {
    if (one.type !== 'record' || one.record.team === 'main') return one
    const { node: of, sequence, previousHash, hash, signature } = one.record
    return { type: 'sealed' as const, record: { node: of, sequence, previousHash, hash, signature } }
  })
  const found = await verdict(lines)
  assert.deepEqual([found.problems, found.sealed, found.records], [[], 1, 5])
  assert.deepEqual((await problems(lines.filter(({ type }) => type !== 'sealed')))[0], ['gap', 5])
})
