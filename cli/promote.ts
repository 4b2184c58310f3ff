import type { Command } from 'commander'
import { connect } from './session.ts'

export function promoteCommand(program: Command): void {
  program
    .command('promote')
    .summary('give a canary all requests')
    .description('Ends the trial of a release that was deployed with --canary: it gets all requests from now on.')
    .argument('<app>')
    .option('--json', 'print the app as JSON')
    .addHelpText('after', '\nExamples:\n  little deploy . --name shop --canary 10\n  little promote shop')
    .action((app: string, flags: { json?: boolean }) => promote(app, flags))
}

async function promote(app: string, { json }: { json?: boolean }): Promise<void> {
  const view = await connect().promote(app)
  console.log(json ? JSON.stringify(view, null, 2) : `Release ${view.release} of ${app} gets all requests`)
}
