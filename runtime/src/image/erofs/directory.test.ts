import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeNames, splitNames } from './directory.ts'

test('names are sorted by bytes over all blocks, dots among them, and no block is overfull', () => {
  const names = Array.from(
    { length: 500 },
    (_, index) => String.fromCharCode(33 + (index % 200)) + 'x'.repeat(index % 90) + index,
  )
  const { blocks, size } = splitNames(names)
  const all = blocks.flat()
  assert.deepEqual(all, ['.', '..', ...names].sort())
  assert.ok(blocks.length > 1)
  const lengths = blocks.map((block) => encodeNames(block.map((name) => ({ name, inode: 1, fileType: 1 }))).length)
  assert.ok(lengths.every((length) => length <= 4_096))
  assert.equal(size, (blocks.length - 1) * 4_096 + lengths.at(-1)!)
})
