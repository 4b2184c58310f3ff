import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GuestProtocolError } from './guest-errors.ts'
import { FrameReader, frame, frameMax, toHost, u32 } from './guest-frames.ts'
import { decodeExit, decodeListeners } from './guest-messages.ts'

const echo = frame(toHost.helloAck, Buffer.from('12345678'))

function reader() {
  const seen: [type: number, text: string][] = []
  return { seen, reader: new FrameReader(echo, (type, payload) => seen.push([type, payload.toString()])) }
}

test('frames arrive whole however the stream was cut', () => {
  const stream = Buffer.concat([echo, frame(0x81), frame(0x86, Buffer.from('no such user')), frame(0x82, u32(7))])
  for (let size = 1; size <= stream.length; size++) {
    const { seen, reader: frames } = reader()
    for (let at = 0; at < stream.length; at += size) frames.push(Buffer.from(stream.subarray(at, at + size)))
    assert.deepEqual(seen, [
      [0x81, ''],
      [0x86, 'no such user'],
      [0x82, '\x07\0\0\0'],
    ])
  }
})

test('a long frame that comes byte by byte costs no more than its bytes', () => {
  const { seen, reader: frames } = reader()
  frames.push(echo)
  const bytes = frame(toHost.failed, Buffer.alloc(frameMax - 1, 'x'))
  for (let at = 0; at < bytes.length; at++) frames.push(bytes.subarray(at, at + 1)) // copied for each it would be a TB
  assert.equal(seen[0]?.[1].length, frameMax - 1)
})

test('everything before the echo of hello is skipped, also half a frame and half an echo', () => {
  const { seen, reader: frames } = reader()
  frames.push(Buffer.concat([u32(500), Buffer.from('left behind'), echo.subarray(0, 9)]))
  frames.push(Buffer.concat([echo.subarray(0, 4), echo.subarray(4)]))
  frames.push(frame(0x81))
  assert.deepEqual(seen, [[0x81, '']])
})

test('a stream without an echo is forgotten as it passes', () => {
  const { seen, reader: frames } = reader()
  for (let i = 0; i < 100; i++) frames.push(Buffer.alloc(64 * 1024, 0x81))
  assert.equal(frames.synchronized, false)
  assert.deepEqual(seen, [])
})

test('a frame of no bytes or of more than 1 MiB breaks the protocol', () => {
  for (const length of [0, frameMax + 1, 0xffffffff]) {
    const { reader: frames } = reader()
    frames.push(echo)
    assert.throws(() => frames.push(u32(length)), GuestProtocolError)
  }
})

test('a list of listeners that is shorter than its count breaks the protocol', () => {
  assert.deepEqual(decodeListeners(Buffer.from([1, 0, 0x90, 0x1f, 3])), [{ port: 8080, loopback: true, ipv6: true }])
  assert.throws(() => decodeListeners(Buffer.from([2, 0, 0x90, 0x1f, 3])), GuestProtocolError)
  assert.throws(() => decodeListeners(Buffer.alloc(0)), GuestProtocolError)
  assert.throws(() => decodeExit(Buffer.alloc(8)), GuestProtocolError)
})
