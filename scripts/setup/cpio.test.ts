import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { cpio } from './cpio.ts'

const archive = () =>
  cpio([
    { path: 'dev', mode: 0o40755 },
    { path: 'init', mode: 0o100755, data: Buffer.from('#!/bin/sh\n') },
    { path: 'modules/00-a.ko', mode: 0o100644, data: Buffer.alloc(4097, 7) },
  ])

test('every header, name and body of an initramfs begins at a multiple of 4 bytes', () => {
  const bytes = archive()
  assert.equal(bytes.length % 4, 0)
  const names: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const field = (index: number) =>
      Number.parseInt(bytes.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16)
    assert.equal(bytes.toString('latin1', at, at + 6), '070701')
    const [size, nameSize] = [field(6), field(11)]
    names.push(bytes.toString('latin1', at + 110, at + 110 + nameSize - 1))
    at = Math.ceil((at + 110 + nameSize) / 4) * 4
    at = Math.ceil((at + size) / 4) * 4
  }
  assert.deepEqual(names, ['dev', 'init', 'modules/00-a.ko', 'TRAILER!!!'])
})

test('equal inputs make equal bytes', () => {
  assert.deepEqual(archive(), archive())
})

test('cpio itself lists what we packed', {
  skip: spawnSync('cpio', ['--version']).error ? 'no cpio here' : false,
}, () => {
  const { stdout } = spawnSync('cpio', ['-t', '--quiet'], { input: archive() })
  assert.deepEqual(stdout.toString().trim().split('\n'), ['dev', 'init', 'modules/00-a.ko'])
})
