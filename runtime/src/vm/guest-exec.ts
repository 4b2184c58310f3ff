import { EventEmitter } from 'node:events'
import { GuestProtocolError, type GuestUnreachable } from './guest-errors.ts'
import { frame, toGuest, u16, u32 } from './guest-frames.ts'
import { encodeRecords } from './guest-identity.ts'

export interface ExecStart {
  args: string[]
  /** In addition to the program's own environment. */
  env?: string[]
  tty?: { rows: number; columns: number }
}

export type ExecStream = 'stdout' | 'stderr'

/** Bytes that may be on their way in each direction before the receiver has to ask for more. */
export const execWindowBytes = 64 * 1024

/**
 * A command in the program's namespaces. Emits `output` (stream, bytes); bytes are the listener's to keep. The guest
 * pauses the command once 64 KiB are unacknowledged: call `consumed` with what has been passed on.
 */
export class ExecSession extends EventEmitter<{ output: [stream: ExecStream, bytes: Buffer] }> {
  readonly id: number
  /** The exit code, 128 + signal for a signal; rejects with GuestUnreachable if the guest goes first. */
  readonly exit: Promise<number>
  readonly #send: (frame: Buffer) => void
  readonly #exit = Promise.withResolvers<number>()
  #input: Buffer[] = []
  #window = execWindowBytes
  #unconsumedBytes = 0
  #inputOver = false
  #over = false

  constructor(id: number, send: (frame: Buffer) => void) {
    super()
    this.id = id
    this.#send = send
    this.exit = this.#exit.promise
    this.exit.catch(() => {}) // not everybody who starts a session waits for its end
  }

  start({ args, env = [], tty }: ExecStart): void {
    const records = encodeRecords([
      ...env.map((value) => ['env', value] as [string, string]),
      ...args.map((value) => ['arg', value] as [string, string]),
    ])
    const flags = Buffer.of(tty ? 1 : 0)
    this.#send(frame(toGuest.execStart, u32(this.id), flags, u16(tty?.rows ?? 0), u16(tty?.columns ?? 0), records))
  }

  /** Input waits here while the command does not read; the number of bytes that do so is returned. */
  write(bytes: Uint8Array): number {
    if (bytes.length > 0 && !this.#inputOver) this.#input.push(Buffer.from(bytes))
    return this.#pump()
  }

  /** End of input; with a terminal, ^D. */
  end(): void {
    if (this.#inputOver) return
    this.#inputOver = true
    this.#pump()
  }

  resize(rows: number, columns: number): void {
    if (!this.#over) this.#send(frame(toGuest.execResize, u32(this.id), u16(rows), u16(columns)))
  }

  /** The asker is gone: the command and its process group are killed. */
  kill(): void {
    if (this.#over) return
    this.#send(frame(toGuest.execKill, u32(this.id)))
    this.ended(137)
  }

  consumed(byteCount: number): void {
    this.#unconsumedBytes -= byteCount
    if (!this.#over) this.#send(frame(toGuest.execCredit, u32(this.id), u32(byteCount)))
  }

  /** For the channel, like the three below: what the guest has said about this session. */
  printed(stream: ExecStream, bytes: Buffer): void {
    if (this.#over) return
    this.#unconsumedBytes += bytes.length
    if (this.#unconsumedBytes > execWindowBytes) throw new GuestProtocolError('more exec output than its window')
    this.emit('output', stream, Buffer.from(bytes))
  }

  credited(byteCount: number): void {
    this.#window = Math.min(execWindowBytes, this.#window + byteCount)
    this.#pump()
  }

  ended(code: number): void {
    this.#over = true
    this.#input = []
    this.#exit.resolve(code)
  }

  lost(reason: GuestUnreachable): void {
    this.#over = true
    this.#exit.reject(reason)
  }

  #pump(): number {
    const largestPieceBytes = 16 * 1024
    while (!this.#over && this.#input.length > 0 && this.#window > 0) {
      const next = this.#input[0]!
      const piece = next.subarray(0, Math.min(this.#window, largestPieceBytes))
      this.#send(frame(toGuest.execInput, u32(this.id), piece))
      this.#window -= piece.length
      if (piece.length === next.length) this.#input.shift()
      else this.#input[0] = next.subarray(piece.length)
    }
    if (this.#inputOver && this.#input.length === 0 && !this.#over) {
      this.#send(frame(toGuest.execInput, u32(this.id)))
    }
    return this.#input.reduce((sum, piece) => sum + piece.length, 0)
  }
}
