import type { Grant } from '../fabric/hold.ts'

/** How a request came to its slot. */
export interface Arrival {
  /** ms from the request's head until a slot was there. */
  waitedMs: number
  /** The grant it waited for; undefined: the instance was held already. */
  grant: Grant | undefined
}

const ms = (value: number) => value.toFixed(3)

/** The header lines that tell it, in the form browsers' tools show. */
export function timingHeaders({ waitedMs, grant }: Arrival): string {
  const parts = [`wake;dur=${ms(waitedMs)}`]
  if (grant) {
    const { totalMs, resumeMs, clockMs, restoreMs } = grant.timing
    parts.push(`hold;dur=${ms(totalMs)}`)
    if (restoreMs !== undefined) parts.push(`restore;dur=${ms(restoreMs)}`)
    parts.push(`resume;dur=${ms(resumeMs)}`, `clock;dur=${ms(clockMs)}`)
  }
  return `Server-Timing: ${parts.join(', ')}\r\nLittle-From: ${grant?.from ?? 'running'}\r\n`
}
