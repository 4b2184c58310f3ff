import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import type { Client, Top } from '../sdk/src/index.ts'
import { connect } from './session.ts'
import { credits } from './show.ts'
import { rowsUnder } from './table.ts'
import { type AppRates, rates } from './top/rates.ts'

interface Flags {
  once?: boolean
  json?: boolean
}

const everyMs = 2_000

export function topCommand(program: Command): void {
  program
    .command('top')
    .summary('watch what the apps do')
    .description(
      'Shows, every 2 s, what each app is asked, how long its first bytes take, how often it wakes, and where its instances are. p50 and p99 are upper bounds; cost is since the full hour.',
    )
    .option('--once', 'look for 2 s, print that, and end')
    .option('--json', 'as --once, as JSON')
    .addHelpText('after', '\nExamples:\n  little top\n  little top --once\n  little top --json | jq .[0]')
    .action((flags: Flags) => top(flags))
}

async function top({ once = false, json = false }: Flags): Promise<void> {
  const client = connect()
  const leaving = new AbortController()
  process.once('SIGINT', () => leaving.abort())
  let before = await client.top()
  const single = once || json || !process.stdout.isTTY
  while (!leaving.signal.aborted) {
    await delay(everyMs, undefined, { signal: leaving.signal }).catch(() => {})
    if (leaving.signal.aborted) break
    const now = await client.top()
    const apps = rates(before, now)
    before = now
    if (json) console.log(JSON.stringify(apps, null, 2))
    else process.stdout.write(single ? text(apps) : screen(client, now, apps))
    if (single) return
  }
  process.exitCode = 130
}

/** From the top of the terminal, each line cleared to its end, and what is left of the last picture with it. */
function screen(client: Client, { at }: Top, apps: AppRates[]): string {
  const running = apps.reduce((sum, app) => sum + app.running, 0)
  const head = `littlecloud at ${client.url}  ${new Date(at).toISOString().slice(11, 19)} UTC  ${apps.length} apps, ${running} instances running`
  const height = (process.stdout.rows ?? 24) - 1
  const lines = [head, '', ...text(apps).trimEnd().split('\n')].slice(0, height)
  return `\u001b[H${lines.map((line) => `${line.slice(0, process.stdout.columns)}\u001b[K\n`).join('')}\u001b[J`
}

/** 80 columns hold the first eight; a wider terminal all. */
function text(apps: AppRates[]): string {
  const wide = !process.stdout.isTTY || process.stdout.columns >= 100
  const head = [
    'app',
    'run',
    'park',
    'susp',
    'req/s',
    'p50 ms',
    'p99 ms',
    'wakes/m',
    ...(wide ? ['mem MiB', 'cost', 'state'] : []),
  ]
  if (apps.length === 0) return 'No apps yet. Try: little deploy examples/hello\n'
  return `${rowsUnder(
    head,
    apps.map((app) => [
      ...[wide ? app.name : app.name.slice(0, 24), app.running + app.others, app.parked, app.suspended],
      ...[app.requestsPerS.toFixed(1), ms(app.p50Ms), ms(app.p99Ms), app.wakesPerMin.toFixed(0)],
      ...(wide ? [app.memoryMib, credits(app.microcreditsThisHour), app.state] : []),
    ]),
  )}\n`
}

const ms = (value: number | undefined) =>
  value === undefined ? '-' : value === Number.POSITIVE_INFINITY ? '>120000' : `≤${value}`
