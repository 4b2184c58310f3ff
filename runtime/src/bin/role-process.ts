import { errorFields, LittleError } from '../core/errors.ts'
import { createLog } from '../core/log.ts'

/**
 * The life of a role's process: starts it, tells the supervisor that it is ready, ends it in order on SIGTERM or SIGINT.
 * A failure to start is logged with what to do, exit code 1; a bug ends the process, and the supervisor starts it again.
 */
export async function runRole(name: string, start: () => Promise<() => PromiseLike<void>>) {
  const log = createLog(name)
  // Heard from the first moment on: a host agent told to end while it starts has links and packet rules to take away.
  const told = Promise.withResolvers<void>()
  process.on('SIGTERM', told.resolve).on('SIGINT', told.resolve)
  try {
    const stop = await start()
    process.send?.('ready')
    await told.promise
    await stop()
    process.exit(0)
  } catch (error) {
    if (error instanceof LittleError) log.error(errorFields(error), error.message)
    else log.error(error, 'it did not start, or not end, in order')
    process.exit(1)
  }
}
