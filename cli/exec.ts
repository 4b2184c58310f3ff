import type { Command } from 'commander'
import type { ExecSession } from '../sdk/src/index.ts'
import { connect } from './session.ts'

interface Flags {
  instance?: string
}

/** What shells and the guest end with when there is no such command. */
const notFound = 127

export function execCommand(program: Command): void {
  program
    .command('exec')
    .summary('run a command inside an instance')
    .description(
      "Runs a command inside an instance, as the app's user; a sleeping one is woken. Ends with its exit code.",
    )
    .argument('<app>')
    .argument('[command...]', 'after --; default: sh')
    .option('--instance <id>', 'this one; little ps lists them')
    .addHelpText(
      'after',
      '\nExamples:\n  little exec web\n  little exec web -- ls -l /\n  little exec db -- cat /etc/hosts > hosts',
    )
    .action((app: string, command: string[], flags: Flags) => exec(app, command, flags))
}

async function exec(app: string, command: string[], { instance }: Flags): Promise<void> {
  const { stdin, stdout, stderr } = process
  const tty = Boolean(stdin.isTTY && stdout.isTTY)
  const session = connect().exec(app, {
    command: command.length > 0 ? command : ['sh'],
    tty,
    ...(tty && { rows: stdout.rows, columns: stdout.columns }),
    ...(instance && { instance }),
    stdout: (bytes) => stdout.write(bytes),
    stderr: (bytes) => stderr.write(bytes),
  })
  if (tty) passTerminal(session)
  stdin.on('data', (bytes: Buffer) => session.write(bytes)).once('end', () => session.end())
  try {
    process.exitCode = await session.exited
    if (process.exitCode === notFound && command.length === 0)
      stderr.write('The image has no sh: name a program of its own after --\n')
  } finally {
    if (tty) stdin.setRawMode(false)
    stdin.destroy() // it would keep us alive
    session.close()
  }
}

/** Keys go through as they are, Ctrl-C too: the program in there decides. */
function passTerminal(session: ExecSession): void {
  process.stdin.setRawMode(true)
  process.stdout.on('resize', () => session.resize(process.stdout.rows, process.stdout.columns))
}
