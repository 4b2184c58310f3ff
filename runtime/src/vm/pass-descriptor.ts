import type net from 'node:net'
import koffi from 'koffi'

/** sendmsg(2) with SCM_RIGHTS: node's sockets cannot pass descriptors, and QEMU under its sandbox takes files no other way. */
const libc = koffi.load('libc.so.6')
const sendmsg = libc.func('long sendmsg(int fd, void *message, int flags)')

const SOL_SOCKET = 1
const SCM_RIGHTS = 1

/** Writes `text` with one open descriptor attached. Nothing may be waiting in the socket's own buffer. */
export function passDescriptor(socket: net.Socket, text: string, descriptor: number) {
  const body = Buffer.from(text)
  // struct iovec { void *base; size_t length }
  const iovec = Buffer.alloc(16)
  iovec.writeBigUInt64LE(BigInt(koffi.address(body)), 0)
  iovec.writeBigUInt64LE(BigInt(body.length), 8)
  // struct cmsghdr { size_t length; int level; int type } + one int, padded to 8
  const control = Buffer.alloc(24)
  control.writeBigUInt64LE(20n, 0)
  control.writeInt32LE(SOL_SOCKET, 8)
  control.writeInt32LE(SCM_RIGHTS, 12)
  control.writeInt32LE(descriptor, 16)
  // struct msghdr, 56 bytes on every 64-bit Linux
  const message = Buffer.alloc(56)
  message.writeBigUInt64LE(BigInt(koffi.address(iovec)), 16)
  message.writeBigUInt64LE(1n, 24)
  message.writeBigUInt64LE(BigInt(koffi.address(control)), 32)
  message.writeBigUInt64LE(24n, 40)
  const sent = sendmsg(rawDescriptor(socket), message, 0)
  if (Number(sent) !== body.length) throw new Error(`sendmsg sent ${sent} of ${body.length} bytes`)
}

function rawDescriptor(socket: net.Socket): number {
  const handle = (socket as unknown as { _handle: { fd: number } | null })._handle // node has no public way to it
  if (!handle || handle.fd < 0) throw new Error('the socket is closed')
  return handle.fd
}
