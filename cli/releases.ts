import type { Command } from 'commander'
import { connect } from './session.ts'
import { ago } from './show.ts'
import { printList } from './table.ts'

export function releasesCommand(program: Command): void {
  program
    .command('releases')
    .summary("list an app's releases")
    .description(
      "Lists an app's releases, the newest first; a failed one with its reason. kept: a rollback to it takes some ms.",
    )
    .argument('<app>')
    .option('--json', 'print the list as JSON')
    .addHelpText('after', '\nExamples:\n  little releases hello')
    .action((app: string, flags: { json?: boolean }) => releases(app, flags))
}

async function releases(app: string, { json }: { json?: boolean }): Promise<void> {
  const releases = await connect().releases(app)
  const failed = releases.some(({ failure }) => failure)
  printList(releases, {
    json,
    head: ['release', 'state', 'made', 'by', 'digest', 'image', ...(failed ? ['reason'] : [])],
    row: ({ number, state, percent, image, digest, createdBy, createdAt, failure }) => [
      ...[number, percent === undefined ? state : `${state} ${percent} %`, ago(createdAt), createdBy],
      ...[
        digest.replace('sha256:', '').slice(0, 12),
        image,
        ...(failed ? [failure?.message.split('\n')[0] ?? ''] : []),
      ],
    ],
    empty: `${app} has no releases.`,
  })
}
