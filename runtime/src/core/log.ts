import { type Logger, pino } from 'pino'

export type { Logger }

/** Structured log of one process, a line a record on stderr. Secrets and `-e` values never go in. */
export function createLog(role: string, fields: Record<string, string> = {}): Logger {
  return pino(
    { level: process.env.LITTLE_LOG ?? 'info', base: { role, ...fields } },
    pino.destination({ dest: 2, sync: true }),
  )
}
