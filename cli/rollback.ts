import type { Command } from 'commander'
import { carryOut } from './deploy/follow.ts'
import { wholeNumber } from './flags.ts'
import { paint } from './paint.ts'
import { connect } from './session.ts'
import { duration } from './show.ts'

const examples = `
Examples:
  little rollback hello      the release before the live one; or ends the canary, if there is one
  little rollback hello 3    that one`

export function rollbackCommand(program: Command): void {
  program
    .command('rollback')
    .summary('let an earlier release serve again')
    .description(
      'Lets an earlier release serve again, with its own image, env and secrets. One that is kept answers within ms; another is started first, and the present one serves meanwhile.',
    )
    .argument('<app>')
    .argument('[release]', 'its number in little releases', wholeNumber(1, 2 ** 31 - 1))
    .option('--json', 'print the result as JSON')
    .addHelpText('after', examples)
    .action((app: string, release: number | undefined, flags: { json?: boolean }) => rollback(app, release, flags))
}

async function rollback(app: string, release: number | undefined, flags: { json?: boolean }): Promise<void> {
  const live = await carryOut(app, flags, async (_, signal) => connect().rollback(app, release, { signal }))
  if (!live) return
  if (flags.json) return console.log(JSON.stringify(live, null, 2))
  const out = process.stdout
  console.log(`${paint('bold', 'Live', out)} is release ${live.release} of ${app}, at ${paint('cyan', live.url, out)}`)
  console.log(paint('dim', `${live.image.reference}; ${duration(live.tookMs)}`, out))
}
