import { LittleCloudError } from './errors.ts'
import { call, type Target } from './http.ts'
import { readNdjson } from './ndjson.ts'
import type { ErrorBody, LogLine, LogQuery } from './types.ts'

/** How long a follower looks for a cloud that went away. */
const patienceMs = 60_000
const retryMs = 500

/** An app's log. A follower that is cut off goes on behind the last line it got: none is missed, none comes twice. */
export async function* readLog(
  target: Target,
  path: string,
  query: LogQuery,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogLine> {
  let rest: LogQuery & { after?: string } = query
  let awaySince: number | undefined
  for (;;) {
    try {
      const response = await call(target, path, { query: { ...rest }, signal })
      awaySince = undefined
      for await (const line of readNdjson<LogLine | ErrorBody>(response.body!, 'the log was read')) {
        if ('error' in line) throw new LittleCloudError(line.error)
        const { tail: _, from: _from, ...select } = query
        rest = { ...select, after: line.cursor }
        yield line
      }
      if (!query.follow) return
    } catch (error) {
      const away = error instanceof LittleCloudError && error.code.startsWith('cloud.')
      if (!query.follow || !away || signal?.aborted) throw error
      awaySince ??= Date.now()
      if (Date.now() - awaySince > patienceMs) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, retryMs))
    signal?.throwIfAborted()
  }
}
