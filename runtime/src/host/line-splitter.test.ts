import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LineSplitter, maxLineBytes } from './line-splitter.ts'

test('lines come out the same, however the bytes are cut', () => {
  const bytes = Buffer.from('grüß dich\r\n\n日本語\nno end')
  for (let size = 1; size <= bytes.length; size++) {
    const splitter = new LineSplitter()
    const lines: string[] = []
    for (let at = 0; at < bytes.length; at += size) {
      lines.push(...splitter.push(bytes.subarray(at, at + size)).map(({ text }) => text))
    }
    lines.push(...splitter.end().map(({ text }) => text))
    assert.deepEqual(lines, ['grüß dich', '', '日本語', 'no end'])
  }
})

test('a line that is too long comes as several that say so, and no character is cut in two', () => {
  const text = 'ü€😀x'.repeat(10_000)
  const splitter = new LineSplitter()
  const parts = [...splitter.push(Buffer.from(`${text}\n`)), ...splitter.end()]
  assert.equal(parts.map((part) => part.text).join(''), text)
  assert.ok(parts.length > 1 && parts.every((part) => Buffer.byteLength(part.text) <= maxLineBytes))
  assert.ok(parts.every(({ continues }, at) => continues === at < parts.length - 1))
})

test('endless bytes without a line end, and bytes that are not UTF-8, are let out and keep nothing', () => {
  const splitter = new LineSplitter()
  let bytes = 0
  for (let n = 0; n < 100; n++) {
    for (const { text } of splitter.push(Buffer.alloc(10_000, 0x80))) bytes += text.length
  }
  for (const { text } of splitter.end()) bytes += text.length
  assert.equal(bytes, 1_000_000)
})
