import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { makeTar, type TarSpec } from '../../../test/images/make-tar.ts'
import { mergeLayers, partsOf } from './merge.ts'
import type { Folder } from './tree.ts'

const folder = mkdtempSync(join(tmpdir(), 'littlecloud-merge-'))
after(() => rmSync(folder, { recursive: true }))

function merged(...layers: TarSpec[][]): string[] {
  const tars = layers.map((specs, index) => {
    const tar = makeTar(specs)
    writeFileSync(join(folder, `${index}.tar`), tar)
    return { fd: openSync(join(folder, `${index}.tar`), 'r'), length: tar.length }
  })
  try {
    return list(mergeLayers(tars, { maxFiles: 1_000 }), '')
  } finally {
    for (const { fd } of tars) closeSync(fd)
  }
}

const list = (root: Folder, path: string): string[] =>
  [...root.entries].flatMap(([name, entry]) =>
    entry.kind === 'folder' ? [`${path}${name}/`, ...list(entry, `${path}${name}/`)] : [`${path}${name}`],
  )

test('the marks of AUFS are nobody’s files, and take nothing away', () => {
  const marks = [{ name: '.wh..wh.aufs' }, { name: '.wh..wh.plnk/1.2' }, { name: '.wh..wh.orph/' }]
  assert.deepEqual(merged([{ name: 'a' }], [...marks, { name: 'b' }]), ['a', 'b'])
})

test('whiteouts of nothing, of dots and in folders that are not there do no harm', () => {
  const whiteouts = ['.wh.none', '.wh.', '.wh..', '.wh...', 'no/such/.wh.x', 'a/.wh.x', 'no/.wh..wh..opq'].map(
    (name) => ({ name }),
  )
  assert.deepEqual(merged([{ name: 'a' }], whiteouts), ['a'])
})

test('an opaque mark at the root leaves only what its layer brings', () => {
  assert.deepEqual(merged([{ name: 'a' }, { name: 'd/b' }], [{ name: 'c' }, { name: '.wh..wh..opq' }]), ['c'])
})

test('a later entry of one name wins within a layer', () => {
  const entries: TarSpec[] = [
    { name: 'a' },
    { name: 'a', type: 'folder' },
    { name: 'a/b' },
    { name: 'x/y' },
    { name: 'x', type: 'fifo' },
  ]
  assert.deepEqual(merged(entries), ['a/', 'a/b', 'x'])
})

test('a folder through a dangling link is made where the link points', () => {
  assert.deepEqual(merged([{ name: 'l', type: 'symlink', target: '/not/../there' }, { name: 'l/x' }]), [
    'l',
    'not/',
    'there/',
    'there/x',
  ])
})

test('paths are taken apart as they are below the root', () => {
  assert.deepEqual(partsOf('./a//b/./c/'), ['a', 'b', 'c'])
  assert.deepEqual(partsOf('/a/x/../b'), ['a', 'b'])
  assert.deepEqual(partsOf('./'), [])
  for (const out of ['..', 'a/../..', '/../a']) assert.throws(() => partsOf(out), /leads out/)
})
