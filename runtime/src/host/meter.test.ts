import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { firstPreviousHash, isSignedBy, type UsageRecord, usageKey } from '../model/usage.ts'
import { type IntervalStart, Meter } from './meter.ts'

const start = (startUs: number): IntervalStart => ({
  team: 'main',
  app: 'hello',
  release: 1,
  instance: 'i-1',
  incarnation: 1,
  kind: 'run',
  vcpus: 1,
  memoryMib: 256,
  startUs,
})
const end = (endUs: number) => ({ endUs, edges: ['e1'], holds: ['h1'], egressBytes: 10, requests: 1 })

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'littlecloud-meter-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
const open = (dir: string) => Meter.open({ dir, node: 'n1', isolation: 'emulated' })
const openAgain = (meter: Meter, dir: string) => {
  meter.close()
  return open(dir)
}

test('closed intervals become records that are numbered, chained and signed, and go once they are acknowledged', async (t) => {
  const dir = folder(t)
  let meter = open(dir)
  for (const at of [1, 2, 3]) meter.begin(start(at * 1e6)).end(end(at * 1e6 + 500))
  const records = await meter.nextRecords(10)
  assert.deepEqual(
    records.map(({ sequence }) => sequence),
    [1, 2, 3],
  )
  assert.deepEqual(
    records.map(({ previousHash }) => previousHash),
    [firstPreviousHash, ...records.slice(0, 2).map((r) => r.hash)],
  )
  assert.ok(records.every((record) => isSignedBy(record, usageKey(meter.publicKey))))
  assert.ok(!isSignedBy({ ...records[0]!, endUs: 9e9 }, usageKey(meter.publicKey)))
  assert.deepEqual(await meter.nextRecords(10), records, 'until acknowledged they come again, the same')

  await meter.acknowledge(records.slice(0, 2))
  meter = openAgain(meter, dir)
  assert.deepEqual(await meter.nextRecords(10), records.slice(2))
  await meter.acknowledge(records.slice(2))
  meter.begin(start(4e6)).end(end(5e6))
  const [fourth] = await meter.nextRecords(10)
  assert.deepEqual([fourth?.sequence, fourth?.previousHash], [4, records[2]?.hash])
  meter.close()
})

test('an interval that was open when the agent died is told again, with the time it was last known to run', (t) => {
  const dir = folder(t)
  const first = open(dir)
  const interval = first.begin(start(1e6))
  interval.touch(1.5e6)
  assert.equal(interval.touchedUs, 1e6, 'at most once a second')
  interval.touch(3e6)
  const second = openAgain(first, dir)
  const [left] = second.leftOpen
  assert.deepEqual([left?.instance, left?.startUs, left?.touchedUs], ['i-1', 1e6, 3e6])
  left?.end(end(left.touchedUs))
  assert.deepEqual(openAgain(second, dir).leftOpen, [])
})

test('the signing key is readable for its owner only and stays the same', (t) => {
  const dir = folder(t)
  const first = open(dir)
  const key = first.publicKey
  assert.equal(statSync(join(dir, 'usage.key')).mode & 0o777, 0o600)
  assert.equal(openAgain(first, dir).publicKey, key)
})

test('a torn end of the spool is cut off, and its number is given again', async (t) => {
  const dir = folder(t)
  const first = open(dir)
  for (const at of [1, 2, 3]) first.begin(start(at)).end(end(at + 1))
  const [name] = readdirSync(join(dir, 'spool'))
  const file = join(dir, 'spool', name!)
  truncateSync(file, statSync(file).size - 10)
  const second = openAgain(first, dir)
  assert.ok(second.damage.tornBytes > 0)
  second.begin(start(4)).end(end(5))
  const records = await second.nextRecords(10)
  assert.deepEqual(
    records.map(({ sequence, startUs }) => [sequence, startUs]),
    [
      [1, 1],
      [2, 2],
      [3, 4],
    ],
  )
})

test('a damaged record or slot is counted and left out, and everything else is still there', async (t) => {
  const dir = folder(t)
  const first = open(dir)
  for (const at of [1, 2, 3]) first.begin(start(at)).end(end(at + 1))
  first.begin(start(7))
  first.begin({ ...start(8), instance: 'i-2' })
  const [name] = readdirSync(join(dir, 'spool'))
  damage(join(dir, 'spool', name!), '"sequence":2', '"sequence":9')
  damage(join(dir, 'open'), '"instance":"i-1"', '"instance":"i-X"')
  const second = openAgain(first, dir)
  assert.deepEqual([second.damage.records, second.damage.slots], [1, 1])
  assert.deepEqual(
    second.leftOpen.map(({ instance }) => instance),
    ['i-2'],
  )
  assert.deepEqual(
    (await second.nextRecords(10)).map(({ sequence }) => sequence),
    [1, 3],
    'the gap shows',
  )
})

function damage(file: string, from: string, to: string) {
  writeFileSync(file, readFileSync(file, 'latin1').replace(from, to), 'latin1')
}

test('a thousand intervals over many segments are read back in order, and acknowledged segments are removed', async (t) => {
  const dir = folder(t)
  const meter = open(dir)
  for (let at = 1; at <= 5_000; at++) meter.begin(start(at)).end(end(at + 1))
  assert.ok(readdirSync(join(dir, 'spool')).length > 1)
  let expected = 1
  for (let batch = await meter.nextRecords(500); batch.length > 0; batch = await meter.nextRecords(500)) {
    for (const { sequence } of batch) assert.equal(sequence, expected++)
    await meter.acknowledge(batch)
  }
  assert.equal(expected, 5_001)
  assert.equal(readdirSync(join(dir, 'spool')).length, 1)
})

test('a writer that is killed 100 times in the middle of metering loses and doubles nothing', {
  timeout: 180_000,
}, async (t) => {
  const dir = folder(t)
  const begun = new Set<number>()
  const records: UsageRecord[] = []
  for (let round = 0; round < 100; round++) {
    await killedWriter(dir, round, begun)
    const meter = open(dir)
    for (const left of meter.leftOpen) left.end(end(left.touchedUs))
    if (round % 3 === 0) {
      const batch = await meter.nextRecords(100_000)
      records.push(...batch)
      await meter.acknowledge(batch)
    }
    assert.deepEqual({ slots: meter.damage.slots, records: meter.damage.records }, { slots: 0, records: 0 })
    meter.close()
  }
  const meter = open(dir)
  records.push(...(await meter.nextRecords(100_000)))
  assert.deepEqual(
    records.map(({ sequence }) => sequence),
    records.map((_, i) => i + 1),
  )
  const metered = records.map(({ startUs }) => startUs)
  assert.equal(new Set(metered).size, metered.length, 'none is there twice')
  const missing = [...begun].filter((startUs) => !new Set(metered).has(startUs))
  assert.deepEqual(missing, [], 'each that began is there')
  t.diagnostic(`${records.length} intervals`)
})

/** Runs a process that meters as fast as it can and says what it began; kills it after some lines. */
async function killedWriter(dir: string, round: number, begun: Set<number>) {
  const program = join(import.meta.dirname, 'meter-writer.fixture.ts')
  const child = spawn(process.execPath, [program, dir, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let toCome = 1 + (round % 17) * 3
  for await (const line of createInterface({ input: child.stdout })) {
    begun.add(Number(line))
    if (--toCome === 0) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}
