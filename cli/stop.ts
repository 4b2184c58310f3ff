import type { Command } from 'commander'
import { connect } from './session.ts'

export function stopCommand(program: Command): void {
  program
    .command('stop')
    .summary("end an app's instances until it is started")
    .description(
      "Ends an app's instances, with what is in their memory. Its name stays; little start, or a deploy, lets it answer again.",
    )
    .argument('<app>')
    .option('--json', 'print the app as JSON')
    .addHelpText('after', '\nExamples:\n  little stop hello')
    .action((app: string, flags: { json?: boolean }) => stop(app, flags))
}

async function stop(app: string, { json }: { json?: boolean }): Promise<void> {
  const view = await connect().stop(app)
  console.log(json ? JSON.stringify(view, null, 2) : `${app} is stopped; little start ${app} lets it answer again`)
}
