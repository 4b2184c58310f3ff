import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { GuestClock } from './guest-clock.ts'
import { GuestProtocolError, GuestTimeout, GuestUnreachable } from './guest-errors.ts'
import type { GuestEvents, LogStream } from './guest-events.ts'
import { ExecSession, type ExecStart } from './guest-exec.ts'
import { GuestFlow } from './guest-flow.ts'
import { FrameReader, frame, toGuest, toHost, u32 } from './guest-frames.ts'
import { GuestGreeting } from './guest-greeting.ts'
import { encodeIdentity, encodeRenewal, type Identity, type Renewal } from './guest-identity.ts'
import {
  decodeExit,
  decodeHookFailure,
  decodeListeners,
  type GuestExit,
  type GuestListener,
  need,
} from './guest-messages.ts'
import { GuestRest } from './guest-rest.ts'
import { connectPort, hush } from './guest-socket.ts'

export type { ExecSession, ExecStart, GuestExit, GuestListener, Identity, LogStream }

/**
 * The host's end of spec/guest-protocol.md. A new one may be made on the same sockets after the process of an older
 * one has died, also while the guest is parked: it answers when it runs again, and tells its present state first.
 */
export class GuestChannel implements AsyncDisposable {
  readonly #events = new EventEmitter<GuestEvents>()
  readonly #deadlineMs: number
  readonly #clock: GuestClock
  readonly #rest: GuestRest
  readonly #sessions = new Map<number, ExecSession>()
  #ctl!: Socket
  #log!: Socket
  #logReader!: FrameReader
  #greeting!: GuestGreeting
  #flow!: GuestFlow
  #isWaiting = false
  #nextSession = 1
  #closed: GuestUnreachable | GuestProtocolError | undefined

  private constructor(deadlineMs: number) {
    this.#deadlineMs = deadlineMs
    this.#clock = new GuestClock((bytes) => this.#send(bytes))
    this.#rest = new GuestRest((bytes) => this.#send(bytes))
  }

  /** Connects both ports. `deadlineMs` is also what later calls wait for an answer unless told otherwise. */
  static async connect(
    paths: { ctl: string; log: string },
    { deadlineMs, logContinues = false }: { deadlineMs: number; logContinues?: boolean },
  ): Promise<GuestChannel> {
    const channel = new GuestChannel(deadlineMs)
    try {
      await channel.#open(paths, logContinues)
      return channel
    } catch (error) {
      channel.#close(
        error instanceof GuestUnreachable ? error : new GuestUnreachable('not connected', { cause: error }),
      )
      throw error
    }
  }

  /** Resolves once the guest is ready for its identity; at once if it has said so before. */
  async waiting(deadlineMs = this.#deadlineMs): Promise<void> {
    if (!this.#isWaiting) await this.#next('waiting', 'sign of being ready', deadlineMs)
  }

  /** Gives the guest its identity; `started` or `failed` follows. */
  identify(identity: Identity): void {
    this.#isWaiting = false
    this.#send(frame(toGuest.identity, encodeIdentity(identity)))
  }

  /** Makes a copy of another instance one of its own; resolves when its clone hook is over. */
  async becomeOwn(renewal: Renewal, deadlineMs = this.#deadlineMs): Promise<void> {
    const copied = this.#next('copied', 'sign of having become its own', deadlineMs)
    this.#send(frame(toGuest.copy, encodeRenewal(renewal)))
    await copied
  }

  /** Sets the guest's clock to now. The message has been written when this returns; resolves with the ms it took. */
  setClock(deadlineMs = this.#deadlineMs): Promise<number> {
    if (this.#closed) return Promise.reject(this.#closed)
    this.#rest.callOff() // the guest, too, takes the clock for that
    const set = this.#clock.set(deadlineMs)
    this.#greeting.insist(() => this.#clock.repeat())
    return set
  }

  /** Before a stop: resolves when the sleep hook is over, or files keep it awake (unless `regardless`), or a clock is set. */
  rest(regardless: boolean, deadlineMs = this.#deadlineMs): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closed)
    return this.#rest.ask(regardless, deadlineMs)
  }

  async listeners(deadlineMs = this.#deadlineMs): Promise<GuestListener[]> {
    const answer = this.#next('listeners', 'list of its ports', deadlineMs)
    this.#send(frame(toGuest.listeners))
    const [listeners] = await answer
    return listeners
  }

  /** The stop signal, and SIGKILL after the grace. `exited` follows; then the guest turns itself off. */
  stop(graceMs: number): void {
    this.#send(frame(toGuest.stop, u32(graceMs)))
  }

  /** Starts a command inside. A command that cannot run says why on its stderr and ends with 125, 126 or 127. */
  exec(start: ExecStart): ExecSession {
    if (this.#closed) throw this.#closed
    const session = new ExecSession(this.#nextSession++, (bytes) => this.#send(bytes))
    this.#sessions.set(session.id, session)
    const forget = () => this.#sessions.delete(session.id)
    session.exit.then(forget, forget)
    session.start(start)
    return session
  }

  on<K extends keyof GuestEvents>(name: K, listener: (...values: GuestEvents[K]) => void): this {
    this.#events.on(name, listener as never)
    return this
  }

  off<K extends keyof GuestEvents>(name: K, listener: (...values: GuestEvents[K]) => void): this {
    this.#events.off(name, listener as never)
    return this
  }

  /** All of the log that has come was read, in whole pieces: so it is with nearly every guest that stands still. */
  get logAtBoundary(): boolean {
    return this.#logReader.atBoundary && !this.#log.isPaused()
  }

  /** For a reader that cannot follow: the program is held up instead, the rest of the channel is not. */
  pauseLog(): void {
    this.#log.pause()
  }

  resumeLog(): void {
    this.#log.resume()
  }

  /** What is said to the guest waits until this is disposed. */
  hush(): Disposable {
    return hush([this.#ctl, this.#log])
  }

  close(): void {
    this.#close(new GuestUnreachable('closed by the host'))
  }

  async [Symbol.asyncDispose]() {
    this.close()
  }

  async #open(paths: { ctl: string; log: string }, logContinues: boolean): Promise<void> {
    const deadlineAtMs = performance.now() + this.#deadlineMs
    const nonce = randomBytes(8)
    const ctl = new FrameReader(frame(toHost.helloAck, nonce), (type, payload) => this.#onFrame(type, payload))
    const echo = logContinues ? undefined : frame(0, nonce)
    const log = new FrameReader(echo, (stream, payload) => this.#onLog(stream, payload))
    this.#logReader = log
    const takeCtl = (bytes: Buffer) => {
      const before = ctl.frames
      this.#take(ctl, bytes)
      this.#flow?.took(ctl.frames - before)
    }
    this.#ctl = this.#follow(await connectPort(paths.ctl, deadlineAtMs, takeCtl), 'ctl')
    this.#flow = new GuestFlow(this.#ctl)
    this.#log = this.#follow(await connectPort(paths.log, deadlineAtMs, (bytes) => this.#take(log, bytes)), 'log')
    this.#greeting = new GuestGreeting([
      { socket: this.#ctl, reader: ctl, hello: frame(toGuest.hello, nonce) },
      { socket: this.#log, reader: log, hello: nonce },
    ])
  }

  #follow(socket: Socket, name: string): Socket {
    socket.on('error', (cause) => this.#close(new GuestUnreachable(`${name}: ${cause.message}`, { cause })))
    socket.on('close', () => this.#close(new GuestUnreachable(`QEMU closed ${name}`)))
    return socket
  }

  /** Whatever a guest sends, a wrong frame closes its channel and nothing else. */
  #take(reader: FrameReader, bytes: Buffer): void {
    if (this.#closed) return
    try {
      reader.push(bytes)
    } catch (error) {
      if (!(error instanceof GuestProtocolError)) throw error
      this.#close(error)
    }
  }

  #onFrame(type: number, payload: Buffer): void {
    switch (type) {
      case toHost.clockAck:
        this.#clock.acknowledged(payload)
        return
      case toHost.waiting:
        this.#isWaiting = true
        this.#events.emit('waiting')
        return
      case toHost.started:
        need(payload, 4, 'started')
        this.#events.emit('started', payload.readUInt32LE(0))
        return
      case toHost.listeners:
        this.#events.emit('listeners', decodeListeners(payload))
        return
      case toHost.exited:
        this.#events.emit('exited', decodeExit(payload))
        return
      case toHost.failed:
        need(payload, 4, 'failed')
        this.#events.emit('failed', payload.toString('utf8', 4), payload.readInt32LE(0))
        return
      case toHost.resting:
        if (payload[8] === 1) this.#events.emit('stayAwake', true) // first: then the asker finds it kept
        this.#rest.answered(payload)
        return
      case toHost.stayAwake:
        need(payload, 1, 'stay awake')
        this.#events.emit('stayAwake', payload[0] !== 0)
        return
      case toHost.copied:
        this.#events.emit('copied')
        return
      case toHost.hookFailed:
        this.#events.emit('hookFailed', ...decodeHookFailure(payload))
        return
      case toHost.execOutput:
        need(payload, 5, 'exec output')
        this.#sessions
          .get(payload.readUInt32LE(0))
          ?.printed(payload[4] === 2 ? 'stderr' : 'stdout', payload.subarray(5))
        return
      case toHost.execCredit:
        need(payload, 8, 'exec credit')
        this.#sessions.get(payload.readUInt32LE(0))?.credited(payload.readUInt32LE(4))
        return
      case toHost.execExit:
        need(payload, 8, 'exec exit')
        this.#sessions.get(payload.readUInt32LE(0))?.ended(payload.readInt32LE(4))
        return
      case toHost.helloAck:
        return // of a hello that was said twice
      default:
        throw new GuestProtocolError(`a frame of unknown type ${type}`)
    }
  }

  #onLog(stream: number, payload: Buffer): void {
    if (stream === 1) this.#events.emit('log', 'stdout', Buffer.from(payload))
    else if (stream === 2) this.#events.emit('log', 'stderr', Buffer.from(payload))
    else if (stream === 3 && payload.length === 8) this.#events.emit('dropped', Number(payload.readBigUInt64LE(0)))
    else if (stream !== 0) throw new GuestProtocolError(`log stream ${stream}`)
  }

  #send(bytes: Buffer): void {
    if (!this.#closed) this.#ctl.write(bytes)
  }

  /** The next event of that name; fails with the channel's end or at the deadline. */
  #next<K extends 'waiting' | 'listeners' | 'copied'>(
    name: K,
    awaited: string,
    deadlineMs: number,
  ): Promise<GuestEvents[K]> {
    const { promise, resolve, reject } = Promise.withResolvers<GuestEvents[K]>()
    if (this.#closed) return Promise.reject(this.#closed)
    const onEvent = (...values: GuestEvents[K]) => resolve(values)
    const listener = onEvent as (...values: never[]) => void
    const timer = setTimeout(() => reject(new GuestTimeout(awaited, deadlineMs)), deadlineMs)
    this.#events
      .once(name, listener as never)
      .once('failed', reject)
      .once('closed', reject)
    return promise.finally(() => {
      clearTimeout(timer)
      this.#events
        .off(name, listener as never)
        .off('failed', reject)
        .off('closed', reject)
    })
  }

  #close(reason: GuestUnreachable | GuestProtocolError): void {
    if (this.#closed) return
    this.#closed = reason
    this.#greeting?.close()
    this.#flow?.[Symbol.dispose]()
    this.#ctl?.destroy()
    this.#log?.destroy()
    const lost = reason instanceof GuestUnreachable ? reason : new GuestUnreachable(reason.message, { cause: reason })
    this.#clock.close(lost)
    this.#rest.close(lost)
    for (const session of this.#sessions.values()) session.lost(lost)
    this.#events.emit('closed', reason)
  }
}
