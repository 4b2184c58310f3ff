import type { Command } from 'commander'
import { connect } from './session.ts'
import { duration } from './show.ts'
import { printList } from './table.ts'

export function psCommand(program: Command): void {
  program
    .command('ps')
    .summary('list the instances, asleep and awake')
    .description(
      'Lists the instances of all apps, or of one. parked: asleep, uses no CPU, costs nothing. health: by the HEALTHCHECK of its image.',
    )
    .argument('[app]', 'only of this app')
    .option('--json', 'print the list as JSON')
    .addHelpText('after', '\nExamples:\n  little ps\n  little ps hello --json')
    .action((app: string | undefined, flags: { json?: boolean }) => ps(app, flags))
}

async function ps(app: string | undefined, { json }: { json?: boolean }): Promise<void> {
  printList(await connect().ps(app), {
    json,
    head: ['instance', 'app', 'release', 'state', 'health', 'for', 'memory', 'requests', 'node'],
    row: ({ id, app, release, state, health, sinceMs, memoryMib, requests, node }) => [
      ...[id, app, release, state, health ?? '–', duration(sinceMs)],
      ...[`${memoryMib} MiB`, requests, node],
    ],
    empty: app ? `${app} has no instance.` : 'No instances. Deploy an app first: little deploy examples/hello',
  })
}
