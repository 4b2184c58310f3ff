import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Meter } from './meter.ts'

const start = (instance: string) => ({
  ...{ team: 't', app: 'a', release: 1, instance, incarnation: 1, kind: 'run' as const, vcpus: 1, memoryMib: 64 },
  startUs: 1_000_000,
})
const end = { endUs: 5_000_000, edges: [], holds: [], egressBytes: 0, requests: 1 }

test('on a full disk intervals go on, wait in their slots, survive a kill, and are written when there is room', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'littlecloud-full-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', dir])
  t.after(() => {
    execFileSync('umount', [dir])
    rmdirSync(dir)
  })
  const open = () => Meter.open({ dir: join(dir, 'usage'), node: 'n-1', isolation: 'emulated' })
  const meter = open()
  meter.begin(start('i-before')).end(end)
  const filler = join(dir, 'filler')
  const { bfree, bsize } = statfsSync(dir)
  writeFileSync(filler, Buffer.alloc(bfree * bsize))
  // What is left of the last page takes some records; the rest have to wait.
  for (let index = 0; index < 40; index++) meter.begin(start(`i-${index}`)).end(end)
  assert.ok(meter.unspooled > 0)
  meter.close() // as if it was killed: nothing of this is written at an end

  const next = open()
  assert.deepEqual(next.damage, { slots: 0, records: 0, tornBytes: 0 })
  assert.deepEqual(new Set(next.leftOpen.map(({ touchedUs }) => touchedUs)), new Set([end.endUs, start('').startUs]))
  for (const interval of next.leftOpen) interval.end({ ...end, endUs: interval.touchedUs })
  assert.ok(next.unspooled > 0)
  rmSync(filler)
  const records = await next.nextRecords(100)
  assert.equal(next.unspooled, 0)
  assert.equal(records.length, 41)
  assert.deepEqual(
    records.map(({ sequence }) => sequence),
    Array.from({ length: 41 }, (_, index) => index + 1),
  )
  next.close()
})
