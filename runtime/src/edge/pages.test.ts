import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RoomFull, UnknownHost } from './errors.ts'
import { errorReply } from './pages.ts'

test('a page is told its length in bytes and shows nothing as markup that a client sent', () => {
  const text = errorReply(new UnknownHost('<script>ü'), { html: true, head: false })
  const body = text.slice(text.indexOf('\r\n\r\n') + 4)
  assert.match(text, new RegExp(`Content-Length: ${Buffer.byteLength(body)}\r\n`))
  assert.doesNotMatch(body, /<script>/)
})

test('a HEAD gets no body, a 503 says when to come back', () => {
  const text = errorReply(new RoomFull('shop', 3), { html: false, head: true })
  assert.match(text, /^HTTP\/1.1 503 Service Unavailable\r\n[\s\S]*Retry-After: 1\r\n[\s\S]*\r\n\r\n$/)
})

test('a mistake of ours shows nothing of itself', () => {
  assert.doesNotMatch(errorReply(new Error('secret'), { html: false, head: false }), /secret/)
})
