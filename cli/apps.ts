import type { Command } from 'commander'
import { connect } from './session.ts'
import { age } from './show.ts'
import { printList } from './table.ts'

export function appsCommand(program: Command): void {
  program
    .command('apps')
    .summary('list the apps')
    .description("Lists the team's apps.")
    .option('--json', 'print the list as JSON')
    .addHelpText('after', "\nExamples:\n  little apps\n  little apps --json | jq -r '.[].url'")
    .action((flags: { json?: boolean }) => apps(flags))
}

async function apps({ json }: { json?: boolean }): Promise<void> {
  printList(await connect().apps(), {
    json,
    head: ['app', 'state', 'release', 'age', 'url', 'image'],
    row: ({ name, state, release, canary, url, image, deployedAt }) => [
      ...[name, state, canary ? `${release}, ${canary.release} (${canary.percent} %)` : release],
      ...[age(deployedAt), url, image],
    ],
    empty: 'No apps yet. Try: little deploy examples/hello',
  })
}
