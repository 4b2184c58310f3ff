import { CommanderError } from 'commander'
import { LittleCloudError } from '../sdk/src/errors.ts'
import { paint } from './paint.ts'
import { wrap } from './wrap.ts'

/** A mistake in how the command line was used, found before anything was sent. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly hint: string
  constructor(message: string, hint: string) {
    super(message)
    this.hint = hint
  }
}

interface Failure {
  code: string
  message: string
  hint: string
  exitCode: number
}

/** Prints what happened, why, and what to do; with --json the same as an object. Sets the exit code. */
export function fail(error: unknown, args: string[]): void {
  if (error instanceof CommanderError && error.exitCode === 0) return // --help and --version
  const { exitCode, ...failure } = failureOf(error, args)
  process.exitCode = exitCode
  const ours = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  if (ours.includes('--json')) {
    console.log(JSON.stringify({ error: failure }, null, 2))
    return
  }
  const [why = '', ...details] = failure.message.split('\n')
  console.error(paint('red', `✗ ${titleOf(args)} failed`))
  console.error(`  ${shown(why, '  ')} ${paint('dim', `(${failure.code})`)}`)
  for (const detail of details) console.error(paint('dim', `  ${detail}`))
  console.error(`  → ${shown(failure.hint, '    ')}`)
}

/** Wrapped for a terminal; a program that reads it gets one line. */
const shown = (text: string, indent: string) => wrap(text, process.stderr.columns ?? Infinity, indent)

const titleOf = (args: string[]) => `little ${args.find((arg) => !arg.startsWith('-')) ?? ''}`.trim()

function failureOf(error: unknown, args: string[]): Failure {
  if (error instanceof UsageError) return { code: 'usage', message: error.message, hint: error.hint, exitCode: 1 }
  if (error instanceof CommanderError) return commandLineFailure(error, args)
  if (error instanceof LittleCloudError) {
    const { code, message, hint } = error
    return { code, message, hint, exitCode: exitCodeOf(error) }
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { code: 'internal', message, hint: 'This is a bug in little: please report these lines', exitCode: 2 }
}

/** 1: the person's (or their app's: 502) mistake; 3: no cloud to be reached; 2: ours. */
function exitCodeOf({ code, status }: LittleCloudError): number {
  if (code.startsWith('cloud.')) return 3
  return status === 502 || (status >= 400 && status < 500) ? 1 : 2
}

function commandLineFailure({ message }: CommanderError, args: string[]): Failure {
  const [first = '', suggestion] = message.replace(/^error: /, '').split('\n')
  const help = `${titleOf(args)} --help lists what there is`
  const hint = suggestion ? `${suggestion.replace(/^\(|\)$/g, '')} ${help}` : help
  return { code: 'usage', message: first, hint, exitCode: 1 }
}
