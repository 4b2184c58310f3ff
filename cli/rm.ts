import type { Command } from 'commander'
import { connect } from './session.ts'

export function rmCommand(program: Command): void {
  program
    .command('rm')
    .summary('remove an app and free its name')
    .description('Removes apps with all their instances, releases and secrets. There is no way back.')
    .argument('<app...>')
    .option('--json', 'print the removed names as JSON')
    .addHelpText('after', '\nExamples:\n  little rm hello\n  little rm hello shop')
    .action((apps: string[], flags: { json?: boolean }) => rm(apps, flags))
}

async function rm(apps: string[], { json }: { json?: boolean }): Promise<void> {
  const client = connect()
  for (const app of apps) {
    await client.remove(app)
    if (!json) console.log(`${app} is removed`)
  }
  if (json) console.log(JSON.stringify({ removed: apps }))
}
