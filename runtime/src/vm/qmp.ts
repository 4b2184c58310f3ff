import { EventEmitter } from 'node:events'
import net from 'node:net'
import { LittleError } from '../core/errors.ts'
import { passDescriptor } from './pass-descriptor.ts'

/** The QMP commands we use and nothing else, so that a typo does not compile. QEMU 7.2, qapi/*.json. */
interface Commands {
  qmp_capabilities: { args: undefined; returns: object }
  cont: { args: undefined; returns: object }
  stop: { args: undefined; returns: object }
  quit: { args: undefined; returns: object }
  'query-status': { args: undefined; returns: { running: boolean; status: string } }
  'query-migrate': { args: undefined; returns: { status?: string; 'error-desc'?: string } }
  'migrate-set-capabilities': { args: { capabilities: { capability: string; state: boolean }[] }; returns: object }
  'migrate-set-parameters': { args: { 'max-bandwidth': number }; returns: object }
  getfd: { args: { fdname: string }; returns: object }
  migrate: { args: { uri: string }; returns: object }
  'migrate-incoming': { args: { uri: string }; returns: object }
}

export interface QmpEvent {
  event: string
  /** Wall clock of QEMU, µs since the epoch. */
  atUs: number
  data: Record<string, unknown>
}

interface Waiting {
  resolve: (value: never) => void
  reject: (error: Error) => void
}

export class QmpTimeout extends LittleError {
  readonly code = 'vm.qmp_timeout'
  readonly status = 504
  readonly hint = 'The microVM does not answer: its host agent ends it and starts another'
  constructor(command: string, timeoutMs: number) {
    super(`QEMU did not answer ${command} within ${timeoutMs} ms`)
  }
}

export class QmpRefused extends LittleError {
  readonly code = 'vm.qmp_refused'
  readonly status = 500
  readonly hint = 'This is a bug in littlecloud: please report it with the log of the host'
  constructor(command: string, description: string) {
    super(`QEMU refused ${command}: ${description}`)
  }
}

export class QmpClosed extends LittleError {
  readonly code = 'vm.gone'
  readonly status = 502
  readonly hint = 'The microVM ended: little logs shows its last lines'
  constructor() {
    super('the microVM is gone')
  }
}

/**
 * One QEMU's monitor. Emits `event` (QmpEvent) for each asynchronous event, and `closed` once when QEMU is gone.
 * A timeout says nothing about the VM: the caller decides its fate.
 */
export class Qmp extends EventEmitter<{ event: [QmpEvent]; closed: [] }> {
  readonly #socket: net.Socket
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #rest = ''

  private constructor(socket: net.Socket) {
    super()
    this.#socket = socket
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#read(text))
    socket.on('error', () => {}) // 'close' follows
    socket.on('close', () => {
      for (const waiting of this.#waiting.values()) waiting.reject(new QmpClosed())
      this.#waiting.clear()
      this.emit('closed')
    })
  }

  /** Connects to QEMU's listening socket and negotiates; throws QmpTimeout or QmpClosed. */
  static async connect(path: string, timeoutMs = 5_000): Promise<Qmp> {
    const socket = net.connect(path)
    const timer = setTimeout(() => socket.destroy(new QmpTimeout('connect', timeoutMs)), timeoutMs)
    try {
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    } finally {
      clearTimeout(timer)
    }
    const qmp = new Qmp(socket)
    await qmp.execute('qmp_capabilities', undefined, timeoutMs)
    return qmp
  }

  get closed() {
    return this.#socket.destroyed
  }

  /** Sends one command; resolves with QEMU's answer. */
  async execute<C extends keyof Commands>(
    command: C,
    args?: Commands[C]['args'],
    timeoutMs = 2_000,
  ): Promise<Commands[C]['returns']> {
    if (this.#socket.destroyed) throw new QmpClosed()
    const id = this.#nextId++
    const answer = Promise.withResolvers<Commands[C]['returns']>()
    const timer = setTimeout(() => answer.reject(new QmpTimeout(command, timeoutMs)), timeoutMs)
    this.#waiting.set(id, {
      resolve: answer.resolve,
      reject: (error) => answer.reject(error instanceof QmpRefused ? new QmpRefused(command, error.message) : error),
    })
    try {
      this.send(command, args, id)
      return await answer.promise
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id) // a late answer finds nobody waiting, and is dropped
    }
  }

  /**
   * Writes a command; without an id nobody waits for its answer: the wake path listens for events instead. QEMU reads its
   * monitor byte by byte, some 3 µs each, so nothing is sent that can be left out.
   */
  send<C extends keyof Commands>(command: C, args?: Commands[C]['args'], id?: number) {
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`)
  }

  /** Gives QEMU an open descriptor under a name, for `fd:NAME` addresses. */
  async giveDescriptor(name: string, descriptor: number, timeoutMs = 10_000): Promise<void> {
    if (this.#socket.destroyed) throw new QmpClosed()
    const id = this.#nextId++
    const answer = Promise.withResolvers<void>()
    const timer = setTimeout(() => answer.reject(new QmpTimeout('getfd', timeoutMs)), timeoutMs)
    this.#waiting.set(id, { resolve: answer.resolve as (value: never) => void, reject: answer.reject })
    try {
      const line = `${JSON.stringify({ execute: 'getfd', arguments: { fdname: name }, id })}\n`
      passDescriptor(this.#socket, line, descriptor)
      await answer.promise
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id)
    }
  }

  /** The next event of that name; rejects when QEMU goes or the time is over. */
  next(event: string, timeoutMs: number, matches: (event: QmpEvent) => boolean = () => true): Promise<QmpEvent> {
    return new Promise((resolve, reject) => {
      const finish = (act: () => void) => {
        clearTimeout(timer)
        this.off('event', onEvent).off('closed', onClosed)
        act()
      }
      const onEvent = (seen: QmpEvent) => {
        if (seen.event === event && matches(seen)) finish(() => resolve(seen))
      }
      const onClosed = () => finish(() => reject(new QmpClosed()))
      const timer = setTimeout(() => finish(() => reject(new QmpTimeout(event, timeoutMs))), timeoutMs)
      this.on('event', onEvent).on('closed', onClosed)
    })
  }

  /** Leaves the monitor; the VM goes on. */
  close() {
    this.#socket.destroy()
  }

  #read(text: string) {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim()) this.#take(JSON.parse(line))
  }

  #take(message: {
    id?: number
    return?: never
    error?: { desc: string }
    event?: string
    data?: Record<string, unknown>
    timestamp?: { seconds: number; microseconds: number }
  }) {
    if (message.event !== undefined) {
      const { seconds, microseconds } = message.timestamp!
      this.emit('event', { event: message.event, atUs: seconds * 1_000_000 + microseconds, data: message.data ?? {} })
    } else if (message.id !== undefined) {
      const waiting = this.#waiting.get(message.id)
      if (message.error) waiting?.reject(new QmpRefused('it', message.error.desc))
      else waiting?.resolve(message.return as never)
    }
  }
}
