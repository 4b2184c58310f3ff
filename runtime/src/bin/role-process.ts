import { errorFields, LittleError } from '../core/errors.ts'
import { createLog } from '../core/log.ts'

/**
 * The life of a role's process: starts it, tells the supervisor that it is ready, ends it in order on SIGTERM or SIGINT.
 * A failure to start is logged with what to do, exit code 1; a bug ends the process, and the supervisor starts it again.
 */
export async function runRole(name: string, start: () => Promise<() => PromiseLike<void>>) {
  const log = createLog(name)
  try {
    const stop = await start()
    let stopping = false
    const end = () => {
      if (stopping) return
      stopping = true
      stop().then(
        () => process.exit(0),
        (error) => {
          log.error(error, 'the end was not in order')
          process.exit(1)
        },
      )
    }
    process.on('SIGTERM', end).on('SIGINT', end)
    process.send?.('ready')
  } catch (error) {
    if (error instanceof LittleError) log.error(errorFields(error), error.message)
    else log.error(error, 'could not start')
    process.exit(1)
  }
}
