import assert from 'node:assert/strict'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { dataExtents, inChunks } from './extents.ts'

test('of a sparse file only what was written is data', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'littlecloud-extents-'))
  try {
    await using file = await open(join(dir, 'file'), 'w+')
    await file.truncate(1_000_000_000)
    await file.write(Buffer.alloc(4096, 1), 0, 4096, 8192)
    await file.write(Buffer.alloc(8192, 1), 0, 8192, 400_000_000 - (400_000_000 % 4096))
    const extents = dataExtents(file.fd, 1_000_000_000)
    assert.deepEqual(
      extents.map(({ bytes }) => bytes),
      [4096, 8192],
    )
    assert.equal(extents[0]?.at, 8192)
    await file.truncate(0)
    assert.deepEqual(dataExtents(file.fd, 0), [])
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
})

test('extents fill chunks one after another, and nothing is left out', () => {
  const chunks = inChunks(
    [
      { at: 0, bytes: 30 },
      { at: 100, bytes: 200 },
      { at: 500, bytes: 1 },
    ],
    100,
  )
  assert.deepEqual(chunks, [
    [
      { at: 0, bytes: 30 },
      { at: 100, bytes: 70 },
    ],
    [{ at: 170, bytes: 100 }],
    [
      { at: 270, bytes: 30 },
      { at: 500, bytes: 1 },
    ],
  ])
})
