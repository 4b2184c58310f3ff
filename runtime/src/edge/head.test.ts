import assert from 'node:assert/strict'
import { test } from 'node:test'
import { random } from '../../../test/edge/random.ts'
import { LittleError } from '../core/errors.ts'
import { readRequestHead } from './head.ts'

const ours = 'X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: '
const read = (lines: string[]) => readRequestHead(`${lines.join('\r\n')}\r\n\r\n`, ours)
const withHost = (...lines: string[]) => read(['GET / HTTP/1.1', 'Host: a.b', ...lines])
const forwarded = (...lines: string[]) => withHost(...lines).forward

test('a head passes unchanged, with ours added at its end', () => {
  const lines = ['GET /a?b HTTP/1.1', 'hOsT: A.b:80', 'X-y:  z ', 'Cookie: a=b; c=ü']
  assert.equal(read(lines).forward, `${lines.join('\r\n')}\r\n${ours}A.b:80\r\n\r\n`)
})

test('what the framing depends on is read', () => {
  const head = withHost('Content-Length: 12', 'Accept: text/html,*/*', 'Little-Timing: 1')
  const { method, host, keepAlive, http10, contentLength, chunked, upgrade, wantsTiming, acceptsHtml } = head
  assert.deepEqual(
    { method, host, keepAlive, http10, contentLength, chunked, upgrade, wantsTiming, acceptsHtml },
    {
      method: 'GET',
      host: 'a.b',
      keepAlive: true,
      http10: false,
      contentLength: 12,
      chunked: false,
      upgrade: false,
      wantsTiming: true,
      acceptsHtml: true,
    },
  )
  assert.equal(withHost('transfer-encoding: Chunked').chunked, true)
})

test('what clients say of themselves as proxies is dropped', () => {
  const head = forwarded(
    'X-Forwarded-For: 1.1.1.1',
    'Forwarded: for=1',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: evil',
    'Keep-Alive: 1',
    'TE: gzip',
    'Proxy-Connection: x',
  )
  assert.equal(head, `GET / HTTP/1.1\r\nHost: a.b\r\n${ours}a.b\r\n\r\n`)
})

test('fields listed by Connection are dropped, but none that the request’s meaning hangs on', () => {
  const head = forwarded('X-A: 1', 'Connection: close, x-a ,Host, content-length', 'Content-Length: 0', 'X-B: 2')
  assert.equal(head, `GET / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 0\r\nX-B: 2\r\n${ours}a.b\r\n\r\n`)
})

test('an upgrade stays one, unless Connection does not list it', () => {
  const head = withHost('Connection: keep-alive, Upgrade', 'Upgrade: websocket')
  assert.equal(head.upgrade, true)
  assert.match(head.forward, /Upgrade: websocket\r\nConnection: Upgrade\r\n/)
  assert.doesNotMatch(forwarded('Upgrade: h2c'), /Upgrade/)
})

test('keep-alive follows version and Connection', () => {
  const version = (version: string, ...lines: string[]) =>
    read([`GET / HTTP/${version}`, 'Host: a', ...lines]).keepAlive
  assert.equal(version('1.1'), true)
  assert.equal(version('1.1', 'Connection: close'), false)
  assert.equal(version('1.0'), false)
  assert.equal(version('1.0', 'Connection: keep-alive'), true)
})

test('an absolute target’s host counts more than the Host', () => {
  const head = read(['GET http://c.d:81/x?y HTTP/1.1', 'Host: a.b', 'X: 1'])
  assert.equal(head.host, 'c.d:81')
  assert.equal(head.forward, `GET /x?y HTTP/1.1\r\nX: 1\r\nHost: c.d:81\r\n${ours}c.d:81\r\n\r\n`)
  assert.match(read(['GET http://c.d HTTP/1.1', 'Host: a.b']).forward, /^GET \/ HTTP/)
  assert.match(read(['GET http://c.d?q HTTP/1.1', 'Host: a.b']).forward, /^GET \/\?q HTTP/)
  assert.match(read(['OPTIONS * HTTP/1.1', 'Host: a.b']).forward, /^OPTIONS \* HTTP/)
})

const refused: [string, string, number][] = [
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
  ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
  ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', 400],
  ['a space before the colon', 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\n', 400],
  ['a folded line', 'GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n', 400],
  ['a line without a colon', 'GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n', 400],
  ['an empty name', 'GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n', 400],
  ['both lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n', 400],
  ['a list of lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n', 400],
  ['a signed length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n', 400],
  ['a hex length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n', 400],
  ['a length beyond numbers', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n', 400],
  ['another encoding', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n', 501],
  ['an encoding beside chunked', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 501],
  ['a hidden encoding', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n', 400],
  [
    'chunked twice',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n',
    400,
  ],
  ['chunked in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  ['a bare LF', 'GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n', 400],
  ['a bare CR', 'GET / HTTP/1.1\r\nHost: a\rX: 1\r\n\r\n', 400],
  ['a NUL', 'GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n', 400],
  ['a method with a space', 'GE T / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a control character in the target', 'GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a fragment', 'GET /#a HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a relative target', 'GET x HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['a user in the target', 'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', 501],
  ['HTTP/2', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
  ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 505],
  ['no version', 'GET /\r\nHost: a\r\n\r\n', 400],
  ['a leading empty line', '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ['another expectation', 'GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n', 417],
  ['two upgrades', 'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n', 400],
]
for (const [name, text, status] of refused) {
  test(`${name} is refused with ${status}`, () => {
    assert.throws(
      () => readRequestHead(text, ours),
      (error) => error instanceof LittleError && error.status === status,
    )
  })
}

test('whatever is sent, it is refused or passed on as exactly one head', () => {
  const { pick, below } = random(1)
  const pieces = [
    'GET',
    'POST',
    ' ',
    '/',
    'http://x',
    ' HTTP/1.1',
    'HTTP/1.0',
    '\r\n',
    '\r',
    '\n',
    ':',
    'Host: a',
    'Host',
    'Content-Length: 5',
    'Transfer-Encoding: chunked',
    'Connection: host, x',
    'Connection: close',
    'X: y',
    '\t',
    '\0',
    'Upgrade: u',
    'ü',
    '*',
    '#',
    ',',
  ]
  const start = ['GET / HTTP/1.1\r\nHost: a\r\n', 'POST http://h/ HTTP/1.1\r\nHost: a\r\n', '']
  let passed = 0
  for (let i = 0; i < 20_000; i++) {
    let text = pick(start)
    for (let n = below(8); n > 0; n--) text += pick(pieces) + (below(2) ? '\r\n' : '')
    text = `${text.split('\r\n\r\n')[0]}\r\n\r\n`
    try {
      const { forward, contentLength, chunked } = readRequestHead(text, ours)
      passed++
      assert.equal(forward.indexOf('\r\n\r\n'), forward.length - 4)
      assert.equal(forward.match(/^host[ \t]*:/gim)?.length, 1)
      assert.equal(forward.match(/^content-length:/gim)?.length ?? 0, contentLength >= 0 ? 1 : 0)
      assert.equal(forward.match(/^transfer-encoding:/gim)?.length ?? 0, chunked ? 1 : 0)
      readRequestHead(forward.replace('Connection: Upgrade\r\n', ''), '') // what we pass on, we would take
    } catch (error) {
      if (!(error instanceof LittleError)) throw error
    }
  }
  assert.ok(passed > 500, `only ${passed} were fine`)
})
