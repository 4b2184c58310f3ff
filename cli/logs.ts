import type { Command } from 'commander'
import type { LogLine } from '../sdk/src/index.ts'
import { durationMs, wholeNumber } from './flags.ts'
import { paint } from './paint.ts'
import { connect } from './session.ts'

interface Flags {
  follow?: boolean
  since?: number
  tail?: number
  json?: boolean
}

const yearMs = 365 * 86_400_000

export function logsCommand(program: Command): void {
  program
    .command('logs')
    .summary('show what an app wrote')
    .description('Shows what all instances of an app wrote, its stdout on stdout and its stderr on stderr.')
    .argument('<app>')
    .option('-f, --follow', 'go on with what it writes from now on')
    .option('--since <time>', 'only the last 30s, 10m, 2h, 7d …', durationMs(1, yearMs, 'from 1ms to 365d'))
    .option('--tail <n>', 'at most so many past lines', wholeNumber(0, 100_000))
    .option('--json', 'print a JSON object per line')
    .addHelpText('after', '\nExamples:\n  little logs -f hello\n  little logs hello --since 10m --tail 100')
    .action((app: string, flags: Flags) => logs(app, flags))
}

async function logs(app: string, { follow = false, since, tail, json = false }: Flags): Promise<void> {
  const leaving = new AbortController()
  process.once('SIGINT', () => leaving.abort())
  try {
    const options = { follow, sinceMs: since, tail, signal: leaving.signal }
    for await (const line of connect().logs(app, options)) print(line, json)
  } catch (error) {
    if (!leaving.signal.aborted) throw error
    process.exitCode = 130
  }
}

function print(line: LogLine, json: boolean): void {
  if (json) console.log(JSON.stringify(line))
  else if (line.stream === 'stdout') console.log(line.text)
  else if (line.stream === 'stderr') console.error(line.text)
  else console.error(paint('dim', `[littlecloud] ${line.text}`))
}
