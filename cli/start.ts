import type { Command } from 'commander'
import { carryOut } from './deploy/follow.ts'
import { paint } from './paint.ts'
import { connect } from './session.ts'
import { duration } from './show.ts'

export function startCommand(program: Command): void {
  program
    .command('start')
    .summary('let a stopped app answer again')
    .description(
      'Lets a stopped app answer again, with the release it had. Its memory and files are new: stop ended them.',
    )
    .argument('<app>')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExamples:\n  little stop hello\n  little start hello')
    .action((app: string, flags: { json?: boolean }) => start(app, flags))
}

async function start(app: string, flags: { json?: boolean }): Promise<void> {
  const live = await carryOut(app, flags, async (_, signal) => connect().start(app, { signal }))
  if (!live) return
  if (flags.json) return console.log(JSON.stringify(live, null, 2))
  const out = process.stdout
  console.log(`${paint('bold', 'Live', out)} at ${paint('cyan', live.url, out)}`)
  console.log(paint('dim', `${app} release ${live.release}; ${duration(live.tookMs)}`, out))
}
