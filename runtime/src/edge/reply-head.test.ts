import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BadReply } from './errors.ts'
import { readReplyHead } from './reply-head.ts'

test('an ordinary reply needs no rewriting', () => {
  const head = readReplyHead('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: y\r\n\r\n')
  assert.deepEqual(head, { status: 200, contentLength: 3, chunked: false, keepAlive: true, rewritten: undefined })
})

test('hop-by-hop fields stay with us', () => {
  const head = readReplyHead(
    'HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX: y\r\nKeep-Alive: timeout=5\r\n\r\n',
  )
  assert.equal(head.rewritten, 'HTTP/1.1 200 OK\r\nX: y\r\n')
  assert.equal(head.keepAlive, false)
})

test('a status without words is fine', () => {
  assert.equal(readReplyHead('HTTP/1.1 204\r\n\r\n').status, 204)
})

for (const text of [
  'HTTP/2 200 OK\r\n\r\n',
  'HTTP/1.1 20 OK\r\n\r\n',
  'HTTP/1.1 099 No\r\n\r\n',
  '+OK redis\r\n\r\n',
  'HTTP/1.1 200 OK\r\nX\r\n\r\n',
  'HTTP/1.1 200 OK\r\nX : 1\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n',
  'HTTP/1.1 200 OK\r\nX: \0\r\n\r\n',
]) {
  test(`${JSON.stringify(text)} is no reply`, () => void assert.throws(() => readReplyHead(text), BadReply))
}
