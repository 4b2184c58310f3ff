import type { Command } from 'commander'
import type { LogLine, LogQuery } from '../sdk/src/index.ts'
import { UsageError } from './failure.ts'
import { moment, wholeNumber } from './flags.ts'
import { paint } from './paint.ts'
import { connect } from './session.ts'
import { harmless } from './terminal.ts'

interface Flags {
  follow?: boolean
  since?: number
  until?: number
  grep?: string
  tail?: number
  instance?: string
  release?: number
  json?: boolean
}

const examples = `
Examples:
  little logs -f hello
  little logs hello --since 10m --tail 100
  little logs hello --since 2026-01-31T12:00 --until 2026-01-31T13:00 --grep error
  little logs hello --release 3 --json | jq -r .text`

export function logsCommand(program: Command): void {
  program
    .command('logs')
    .summary('show what an app wrote')
    .description(
      `Shows what all instances of an app wrote, its stdout on stdout and its stderr on stderr. Also of an app whose
first deploy failed, or that was removed, for 7 days.`.replace('\n', ' '),
    )
    .argument('<app>')
    .option('-f, --follow', 'go on with what it writes from now on')
    .option('--since <time>', 'only since 30s, 10m, 2h, 7d ago, or since a time (ISO 8601, UTC)', moment)
    .option('--until <time>', 'only until then', moment)
    .option('--grep <text>', 'only lines that hold this text')
    .option('--tail <n>', 'at most so many past lines', wholeNumber(0, 100_000))
    .option('--instance <id>', 'only of this instance')
    .option('--release <n>', 'only of this release', wholeNumber(1, 1_000_000_000))
    .option('--json', 'print a JSON object per line, with the text as it is')
    .addHelpText('after', examples)
    .action((app: string, flags: Flags) => logs(app, flags))
}

async function logs(app: string, { since, until, json = false, ...select }: Flags): Promise<void> {
  if (select.follow && until !== undefined) {
    throw new UsageError('-f goes on, and --until ends', 'Give one of the two')
  }
  if (select.grep === '') throw new UsageError('--grep needs a text', 'Leave it out to see every line')
  const leaving = new AbortController()
  process.once('SIGINT', () => leaving.abort())
  try {
    const query: LogQuery = { from: since, to: until, ...select }
    for await (const line of connect().logs(app, { ...query, signal: leaving.signal })) print(line, json)
  } catch (error) {
    if (!leaving.signal.aborted) throw error
    process.exitCode = 130
  }
}

function print(line: LogLine, json: boolean): void {
  if (json) console.log(JSON.stringify(line))
  else if (line.stream === 'system') console.error(paint('dim', `[littlecloud] ${harmless(line.text)}`))
  else {
    const output = line.stream === 'stdout' ? process.stdout : process.stderr
    // A file or a program gets what was written; a line that was too long is put together again.
    output.write(output.isTTY ? `${harmless(line.text)}${line.continues ? ' …' : ''}\n` : plain(line))
  }
}

const plain = ({ text, continues }: LogLine) => (continues ? text : `${text}\n`)
