import { cutOff, LittleCloudError, unreachable } from './errors.ts'
import type { Target } from './http.ts'
import type { ErrorBody } from './types.ts'

export interface ExecOptions {
  command: string[]
  tty?: boolean
  rows?: number
  columns?: number
  /** One particular instance; else any. */
  instance?: string
  stdout: (bytes: Uint8Array) => void
  stderr: (bytes: Uint8Array) => void
}

export interface ExecSession {
  write(bytes: Uint8Array): void
  end(): void
  resize(rows: number, columns: number): void
  close(): void
  /** The command's exit code. */
  readonly exited: Promise<number>
}

type Frame =
  | { type: 'stdout'; data: string }
  | { type: 'stderr'; data: string }
  | { type: 'exit'; code: number }
  | ({ type: 'error' } & ErrorBody)

/** Runs a command inside an instance over a WebSocket; what is written before it is open waits. */
export function openExec(target: Target, app: string, options: ExecOptions): ExecSession {
  const { stdout, stderr, ...start } = options
  const url = new URL(`/v1/apps/${encodeURIComponent(app)}/exec`, target.url)
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
  // Browsers can send no headers with a WebSocket: the token goes as a subprotocol, which never lands in an access log.
  const socket = new WebSocket(url, ['littlecloud.exec.v1', `token.${target.token ?? ''}`])
  const exited = Promise.withResolvers<number>()
  const opened = Promise.withResolvers<void>()
  opened.promise.catch(() => {}) // told by `exited`
  const send = (frame: unknown) => {
    opened.promise.then(() => socket.send(JSON.stringify(frame))).catch(() => {})
  }

  socket.onopen = () => {
    socket.send(JSON.stringify({ type: 'start', tty: false, ...start }))
    opened.resolve()
  }
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(String(data)) as Frame
    if (frame.type === 'stdout') stdout(Buffer.from(frame.data, 'base64'))
    else if (frame.type === 'stderr') stderr(Buffer.from(frame.data, 'base64'))
    else if (frame.type === 'exit') exited.resolve(frame.code)
    else exited.reject(new LittleCloudError(frame.error))
  }
  socket.onerror = (event) => {
    const error = unreachable(target.url, event) // after the opening it changes nothing that `onclose` does not tell
    opened.reject(error)
    exited.reject(error)
  }
  socket.onclose = () => {
    opened.reject(cutOff('the session began'))
    exited.reject(cutOff('the command ended'))
  }
  return {
    write: (bytes) => send({ type: 'stdin', data: Buffer.from(bytes).toString('base64') }),
    end: () => send({ type: 'stdinEnd' }),
    resize: (rows, columns) => send({ type: 'resize', rows, columns }),
    close: () => socket.close(),
    exited: exited.promise,
  }
}
