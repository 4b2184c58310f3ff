import { GuestProtocolError } from './guest-errors.ts'

/** A TCP port that something in the guest listens on. */
export interface GuestListener {
  port: number
  /** Open only inside the guest, so that no request from outside can reach it. */
  loopback: boolean
  ipv6: boolean
}

export interface GuestExit {
  /** −1 if it was ended by a signal. */
  code: number
  /** 0 if none. */
  signal: number
  outOfMemory: boolean
}

const portBytes = 3

export function decodeListeners(payload: Buffer): GuestListener[] {
  need(payload, 2, 'listeners')
  const count = payload.readUInt16LE(0)
  need(payload, 2 + count * portBytes, 'listeners')
  return Array.from({ length: count }, (_, index) => {
    const flags = payload[2 + index * portBytes + 2]!
    return {
      port: payload.readUInt16LE(2 + index * portBytes),
      loopback: (flags & 1) !== 0,
      ipv6: (flags & 2) !== 0,
    }
  })
}

export function decodeExit(payload: Buffer): GuestExit {
  need(payload, 9, 'exited')
  return { code: payload.readInt32LE(0), signal: payload.readInt32LE(4), outOfMemory: payload[8] === 1 }
}

const hooks: Record<number, string> = { 1: 'sleep', 2: 'wake', 3: 'clone' }

export function decodeHookFailure(payload: Buffer): [hook: string, code: number] {
  need(payload, 5, 'hook failed')
  return [hooks[payload[0]!] ?? 'unknown', payload.readInt32LE(1)]
}

export function need(payload: Buffer, bytes: number, name: string): void {
  if (payload.length < bytes) throw new GuestProtocolError(`${name} with ${payload.length} bytes instead of ${bytes}`)
}
