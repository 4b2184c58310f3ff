// A WebSocket (RFC 6455) that sends every message back; frames are handled one by one, so fragments come back as fragments.
import { createHash } from 'node:crypto'

const close = 0x8
const ping = 0x9
const pong = 0xa
const maxFrameBytes = 16 * 1024 * 1024

/** For a server's `upgrade` event. */
export function echo(request, socket, head) {
  const key = request.headers['sec-websocket-key']
  if (request.headers.upgrade?.toLowerCase() !== 'websocket' || !key) {
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    return
  }
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  )
  socket.setNoDelay(true)
  socket.on('error', () => {})
  let bytes = head
  const take = (chunk) => {
    bytes = Buffer.concat([bytes, chunk])
    for (let frame = readFrame(bytes); frame; frame = readFrame(bytes)) {
      if (frame === 'too big') return socket.destroy()
      bytes = bytes.subarray(frame.length)
      if (frame.opcode === pong) continue
      socket.write(writeFrame(frame.final, frame.opcode === ping ? pong : frame.opcode, frame.payload))
      if (frame.opcode === close) return socket.end()
    }
  }
  socket.on('data', take)
  take(Buffer.alloc(0))
}

/** The first frame of the bytes; undefined while it is not whole. */
function readFrame(bytes) {
  if (bytes.length < 2) return undefined
  let length = bytes[1] & 0x7f
  let at = 2
  if (length === 126) {
    if (bytes.length < 4) return undefined
    length = bytes.readUInt16BE(2)
    at = 4
  } else if (length === 127) {
    if (bytes.length < 10) return undefined
    length = Number(bytes.readBigUInt64BE(2))
    at = 10
  }
  if (length > maxFrameBytes) return 'too big'
  const isMasked = (bytes[1] & 0x80) !== 0
  const from = isMasked ? at + 4 : at
  if (bytes.length < from + length) return undefined
  const payload = Buffer.from(bytes.subarray(from, from + length))
  if (isMasked) for (let i = 0; i < length; i++) payload[i] ^= bytes[at + (i & 3)]
  return { final: (bytes[0] & 0x80) !== 0, opcode: bytes[0] & 0x0f, payload, length: from + length }
}

function writeFrame(final, opcode, payload) {
  const first = (final ? 0x80 : 0) | opcode
  if (payload.length < 126) return Buffer.concat([Buffer.from([first, payload.length]), payload])
  const head = Buffer.alloc(payload.length < 65_536 ? 4 : 10)
  head[0] = first
  if (head.length === 4) head.writeUInt16BE(payload.length, 2)
  else head.writeBigUInt64BE(BigInt(payload.length), 2)
  head[1] = head.length === 4 ? 126 : 127
  return Buffer.concat([head, payload])
}
