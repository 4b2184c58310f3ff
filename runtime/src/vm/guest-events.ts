import type { GuestProtocolError, GuestUnreachable } from './guest-errors.ts'
import type { GuestExit, GuestListener } from './guest-messages.ts'

export type LogStream = 'stdout' | 'stderr'

export interface GuestEvents {
  waiting: []
  started: [pid: number]
  listeners: [listeners: GuestListener[]]
  exited: [exit: GuestExit]
  /** Why the program could not be started, and a shell's code for it: 127 not found, 126 not executable, 125 before that. */
  failed: [sentence: string, code: number]
  /** Whether files inside keep it awake: at each change, and once to every new host. */
  stayAwake: [wanted: boolean]
  /** It has become an instance of its own. */
  copied: []
  /** A hook of the image did not end well: a shell's exit code, or −1 if it took too long. */
  hookFailed: [hook: string, code: number]
  /** Bytes of the program's output, the listener's to keep. */
  log: [stream: LogStream, bytes: Buffer]
  /** Output that was lost here because nobody read it. */
  dropped: [byteCount: number]
  /** Once, and nothing comes after it. */
  closed: [reason: GuestUnreachable | GuestProtocolError]
}
