import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { UsageRecord } from '../model/usage.ts'
import { usageKey } from '../model/usage.ts'
import { cost } from './cost.ts'
import { Intake } from './intake.ts'
import { testNode } from './node.fixture.ts'
import { openStore } from './store.ts'

const hourUs = 3_600_000_000

function billed(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), 'littlecloud-cost-'))
  const database = openStore(join(dir, 'usage.sqlite'))
  t.after(() => {
    database.close()
    rmSync(dir, { recursive: true, force: true })
  })
  const node = testNode('n1')
  const intake = new Intake(database, () => usageKey(node.publicKey))
  let position = 0
  const take = (records: UsageRecord[]) => intake.take(++position, 'n1', records)
  return { database, node, intake, take }
}

test('a run over midnight counts in both hours and days, its bytes in the last', (t) => {
  const { database, node, take } = billed(t)
  const midnight = 24 * hourUs
  take([node.record({ startUs: midnight - 1_500_000, endUs: midnight + 500_000 })])
  const brief = (by: 'hour' | 'day') =>
    cost(database, { by }).map(({ atMs, runMs, egressBytes }) => [atMs, runMs, egressBytes])
  assert.deepEqual(brief('hour'), [
    [23 * 3_600_000, 1_500, 0],
    [24 * 3_600_000, 500, 100],
  ])
  assert.deepEqual(brief('day'), [
    [0, 1_500, 0],
    [24 * 3_600_000, 500, 100],
  ])
  assert.deepEqual(
    cost(database, { by: 'hour', fromMs: 24 * 3_600_000 }).map(({ runMs }) => runMs),
    [500],
  )
})

test('preparation has a row of its own and costs nothing', (t) => {
  const { database, node, take } = billed(t)
  const hour = { startUs: 0, endUs: hourUs, egressBytes: 0, memoryMib: 0 }
  take([
    node.record(hour),
    node.record({ ...hour, kind: 'prepare' }),
    node.record({ ...hour, team: 'other', vcpus: 2 }),
  ])
  const rows = cost(database, { by: 'app' }).map(({ team, kind, vcpuMs, microcredits }) => [
    team,
    kind,
    vcpuMs,
    microcredits,
  ])
  assert.deepEqual(rows, [
    ['main', 'run', 3_600_000, '20000'],
    ['main', 'prepare', 3_600_000, '0'],
    ['other', 'run', 7_200_000, '40000'],
  ])
  assert.equal(cost(database, { by: 'team', team: 'other' }).length, 1)
})

test('repeats count once; gaps, breaks and foreign signatures are reported', (t) => {
  const { database, node, intake, take } = billed(t)
  const [first, second, third, fourth] = [node.record(), node.record(), node.record(), node.record()]
  take([first, fourth])
  assert.deepEqual([intake.report()[0]?.missing, intake.report()[0]?.broken], [2, 0])
  take([first, second])
  take([third, { ...testNode('n1').record(), sequence: 5 }])
  const { missing, repeated, broken, refused } = intake.report()[0]!
  assert.deepEqual({ missing, repeated, broken, refused }, { missing: 0, repeated: 1, broken: 0, refused: 1 })
  assert.equal(cost(database, { by: 'app' })[0]?.requests, 4)

  const other = node.record()
  const rewritten = node.record({ previousHash: first.hash })
  take([other, rewritten])
  assert.equal(intake.report()[0]?.broken, 1)
})
