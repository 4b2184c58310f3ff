import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { makeTar } from '../../../test/images/make-tar.ts'
import { CorruptImage } from './errors.ts'
import { parsePax, parsePaxTime } from './tar-pax.ts'
import { readTar, type TarEntry } from './tar-read.ts'

const folder = mkdtempSync(join(tmpdir(), 'littlecloud-tar-'))
after(() => rmSync(folder, { recursive: true }))

function read(tar: Buffer): TarEntry[] {
  const path = join(folder, 'x.tar')
  writeFileSync(path, tar)
  const fd = openSync(path, 'r')
  try {
    return [...readTar(fd, tar.length)]
  } finally {
    closeSync(fd)
  }
}

test('names, owners and sizes are read in every form that tars have for them', () => {
  const long = 'n'.repeat(300)
  const entries = read(
    makeTar([
      { name: long, uid: 3_000_000_000 },
      { name: long, long: 'gnu' },
      { name: 'plain/', type: 'file' }, // as v7 tars write folders
      { name: 'l', type: 'link', target: long },
    ]),
  )
  assert.deepEqual(
    entries.map(({ name, type }) => [name, type]),
    [
      [long, '0'],
      [long, '0'],
      ['plain/', '5'],
      ['l', '1'],
    ],
  )
  assert.equal(entries[0]!.uid, 3_000_000_000)
  assert.equal(entries[3]!.link, long)
})

test('a tar without its end marker, as some tools write it, is whole', () => {
  assert.equal(read(makeTar([{ name: 'a', content: 'x' }]).subarray(0, 1_024)).length, 1)
})

test('a tar that ends early or has a wrong checksum is refused', () => {
  const tar = makeTar([{ name: 'a', content: 'x'.repeat(2_000) }])
  assert.throws(() => read(tar.subarray(0, 1_000)), CorruptImage)
  assert.throws(() => read(tar.subarray(0, 300)), CorruptImage)
  tar.write('b', 0)
  assert.throws(() => read(tar), /wrong checksum/)
})

test('PAX records may hold anything, and malformed ones are refused', () => {
  const body = Buffer.from('18 key=with\nline\0\n9 a=b=c\n'.replace('9 a', '8 a'), 'latin1')
  assert.deepEqual(
    [...parsePax(body)],
    [
      ['key', 'with\nline\0'],
      ['a', 'b=c'],
    ],
  )
  for (const text of ['x', '5 a=b\n', '99 a=b\n', '-6 a=b\n', '6 a-b\n', '6 a=bc']) {
    assert.throws(() => parsePax(Buffer.from(text)), CorruptImage, text)
  }
})

test('PAX times are exact to the ns, before 1970 too', () => {
  assert.equal(parsePaxTime('1700000000.1234567891'), 1_700_000_000_123_456_789n)
  assert.equal(parsePaxTime('-0.5'), -500_000_000n)
  assert.throws(() => parsePaxTime('1e9'), CorruptImage)
})
