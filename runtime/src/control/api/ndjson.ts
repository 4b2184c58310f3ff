import { Readable } from 'node:stream'
import { errorFields, LittleError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'

/** An empty line this often tells the client that we are still here: it gives up after 30 s of silence. */
const aliveMs = 5_000

/** Objects as newline-delimited JSON. A failure in the middle becomes the last object: `{ type: 'error', error }`. */
export function ndjson(objects: AsyncIterable<unknown>, log: Pick<Logger, 'error'>): Readable {
  return Readable.from(lines(objects, log), { objectMode: false })
}

async function* lines(objects: AsyncIterable<unknown>, log: Pick<Logger, 'error'>): AsyncGenerator<string> {
  const iterator = objects[Symbol.asyncIterator]()
  yield '\n' // sends the head at once
  try {
    let next = iterator.next()
    while (true) {
      const result = await orAlive(next)
      if (result === 'alive') {
        yield '\n'
        continue
      }
      if (result.done) return
      yield `${JSON.stringify(result.value)}\n`
      next = iterator.next()
    }
  } catch (error) {
    if (!(error instanceof LittleError)) log.error({ err: error }, 'a stream failed')
    yield `${JSON.stringify({ type: 'error', error: errorFields(error) })}\n`
  } finally {
    void iterator.return?.() // the client is gone: not awaited, the iterator may be in the middle of a wait
  }
}

async function orAlive<T>(next: Promise<T>): Promise<T | 'alive'> {
  let timer: NodeJS.Timeout | undefined
  const alive = new Promise<'alive'>((resolve) => (timer = setTimeout(resolve, aliveMs, 'alive')))
  try {
    return await Promise.race([next, alive])
  } finally {
    clearTimeout(timer)
  }
}
