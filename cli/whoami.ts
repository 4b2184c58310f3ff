import type { Command } from 'commander'
import { connect } from './session.ts'

export function whoamiCommand(program: Command): void {
  program
    .command('whoami')
    .summary('show which team the token stands for')
    .description('Shows which cloud is talked to, and which team and role the token stands for.')
    .option('--json', 'print it as JSON')
    .addHelpText('after', '\nExamples:\n  little whoami')
    .action((flags: { json?: boolean }) => whoami(flags))
}

async function whoami({ json }: { json?: boolean }): Promise<void> {
  const client = connect()
  const who = await client.whoami()
  if (json) console.log(JSON.stringify({ url: client.url, ...who }, null, 2))
  else console.log(`${who.name} of the team ${who.team} (role ${who.role}) at ${client.url}`)
}
