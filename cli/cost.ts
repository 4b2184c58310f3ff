import type { Command } from 'commander'
import type { CostBy, CostRow } from '../sdk/src/index.ts'
import { durationMs, oneOf } from './flags.ts'
import { connect } from './session.ts'
import { bytes, credits, duration } from './show.ts'
import { printList } from './table.ts'

interface Flags {
  by: CostBy
  since?: number
  json?: boolean
}

const yearMs = 365 * 86_400_000

export function costCommand(program: Command): void {
  program
    .command('cost')
    .summary('show what was used and what it costs')
    .description('Shows run time, traffic and price. Asleep costs nothing; prepare (starts, warm-up) has the price 0.')
    .option('--by <what>', 'app, hour, day or team', oneOf('app', 'hour', 'day', 'team'), 'app')
    .option('--since <time>', 'only the last 2h, 7d …', durationMs(1, yearMs, 'from 1ms to 365d'))
    .option('--json', 'print the rows as JSON, money in integer micro-credits')
    .addHelpText('after', '\nExamples:\n  little cost\n  little cost --by hour --since 24h')
    .action((flags: Flags) => cost(flags))
}

async function cost({ by, since, json }: Flags): Promise<void> {
  const rows = await connect().cost(by, { from: since === undefined ? undefined : Date.now() - since })
  const keys = by === 'app' || by === 'team' ? [by] : [by, 'app']
  printList(rows, {
    json,
    head: [...keys.map(title), 'kind', 'ran', 'vCPU·s', 'GiB·s', 'egress', 'reqs', 'credits'],
    row: (row) => [
      ...keys.map((key) => cell(row, key)),
      ...[row.kind, duration(row.runMs), (row.vcpuMs / 1_000).toFixed(3), (row.mibMs / 1_024_000).toFixed(3)],
      ...[bytes(row.egressBytes), row.requests, credits(row.microcredits)],
    ],
    empty: 'Nothing was used yet.',
  })
}

const title = (key: string) => (key === 'hour' || key === 'day' ? `${key} (UTC)` : key)

/** Hours and days are UTC, as they are counted. */
function cell({ team, app = '', atMs = 0 }: CostRow, key: string): string {
  if (key === 'app') return app
  if (key === 'team') return team
  return new Date(atMs)
    .toISOString()
    .slice(0, key === 'day' ? 10 : 16)
    .replace('T', ' ')
}
