import assert from 'node:assert/strict'
import { test } from 'node:test'
import { random } from '../../../test/edge/random.ts'
import { ChunkScanner } from './chunked.ts'

/** Scans `text` cut into pieces of the given lengths; gives the index after the body, -1 if malformed, undefined if unfinished. */
function scan(text: string, pieceLength: () => number = () => text.length): number | undefined {
  const scanner = new ChunkScanner()
  const bytes = Buffer.from(text, 'latin1')
  for (let at = 0; at < bytes.length; ) {
    const piece = bytes.subarray(at, at + Math.max(1, pieceLength()))
    const end = scanner.scan(piece, 0)
    if (end < 0) return -1
    if (scanner.done) return at + end
    assert.equal(end, piece.length)
    at += piece.length
  }
  return undefined
}

/** The same in plain words, for whole bodies only. */
function plainly(text: string): number | undefined {
  const body = /^(?:([0-9a-fA-F]{1,12})(;[\t\x20-\x7e\x80-\xff]*)?\r\n)/
  let at = 0
  for (;;) {
    const line = body.exec(text.slice(at))
    if (!line) return undefined
    at += line[0].length
    const size = Number.parseInt(line[1] as string, 16)
    if (size === 0) break
    if (text.slice(at + size, at + size + 2) !== '\r\n') return undefined
    at += size + 2
  }
  const trailers = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n/.exec(text.slice(at))
  return trailers ? at + trailers[0].length : undefined
}

test('the end is found, whatever follows', () => {
  assert.equal(scan('0\r\n\r\nGET / HTTP/1.1'), 5)
  assert.equal(scan('3\r\nabc\r\n00\r\n\r\n0\r\n'), 14)
  assert.equal(scan('a;x="y"\r\n0123456789\r\n0;z\r\nX-Sum: 1\r\nY:\r\n\r\n'), 42)
})

for (const text of [
  ' 1\r\na\r\n0\r\n\r\n',
  '1 \r\na\r\n0\r\n\r\n',
  '1\na\r\n0\r\n\r\n',
  '1\r\na0\r\n\r\n',
  '1\r\na\n0\r\n\r\n',
  '1\r\nab\r\n0\r\n\r\n',
  '0x1\r\na\r\n0\r\n\r\n',
  '-1\r\n',
  '+1\r\n',
  '\r\n',
  ';x\r\n',
  '1111111111111\r\n',
  'g\r\n',
  '0\r\nX\r\n\r\n',
  '0\r\nX : 1\r\n\r\n',
  '0\r\n X: 1\r\n\r\n',
  '0\r\nX: \n\r\n',
  '1;a\nb\r\n',
  '1\r\r\na\r\n',
  `1;${'x'.repeat(2_000)}\r\n`,
  `0\r\n${'X: y\r\n'.repeat(10_000)}\r\n`,
]) {
  test(`${JSON.stringify(text.slice(0, 30))} is malformed`, () => assert.equal(scan(text), -1))
}

test('any text, cut in any way, ends where the plain reading says', () => {
  const { below, pick } = random(2)
  const pieces = [
    '0',
    '1',
    '5',
    'a',
    'F',
    '\r\n',
    '\r',
    '\n',
    ';',
    ' ',
    'abcde',
    'X: 1\r\n',
    '1\r\na\r\n',
    '0\r\n\r\n',
    ':',
    '\0',
    'ü',
  ]
  let whole = 0
  for (let i = 0; i < 30_000; i++) {
    let text = ''
    for (let n = 1 + below(10); n > 0; n--) text += pick(pieces)
    const wanted = plainly(text)
    const got = scan(text, () => 1 + below(4))
    assert.equal(got === -1 ? undefined : got, wanted, JSON.stringify(text))
    if (wanted !== undefined) whole++
  }
  assert.ok(whole > 300, `only ${whole} were whole`)
})
