import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import {
  LittleCloudError,
  type UsageLine,
  type UsageProblem,
  type UsageVerdict,
  verifyUsage,
} from '../sdk/src/index.ts'
import { UsageError } from './failure.ts'
import { moment } from './flags.ts'
import { connect } from './session.ts'
import { printTable } from './table.ts'

interface Flags {
  since?: number
  until?: number
  node?: string
  file?: string
  export?: string
  json?: boolean
}

/** More of them say nothing new. */
const shownProblems = 20

const examples = `
Examples:
  little verify usage
  little verify usage --since 2026-01-01 --until 2026-01-31
  little verify usage --export january.usage       then anybody can check it, without the cloud:
  little verify usage --file january.usage`

export function verifyCommand(program: Command): void {
  const verify = program
    .command('verify')
    .summary('check signed records')
    .description('Checks what the cloud has signed.')
    .addHelpText('after', examples)
  verify
    .command('usage')
    .summary('check usage records: signatures, chain, sums')
    .description(
      'Checks that each usage record is signed by its node, that none is missing, changed or there twice, and that they add up to what little cost says.',
    )
    .option('--since <time>', 'only from the hour of 2h, 7d ago, or of a time (ISO 8601, UTC)', moment)
    .option('--until <time>', 'compare sums only up to the hour of that time', moment)
    .option('--node <id>', 'only the records of one node; sums are not compared then')
    .option('--file <file>', 'check an export, without the cloud')
    .option('--export <file>', 'write what was checked to a file that others can check')
    .option('--json', 'print the verdict as JSON')
    .addHelpText('after', examples)
    .action((flags: Flags) => usage(flags))
}

async function usage(flags: Flags): Promise<void> {
  const { json } = flags
  const verdict = await verifyUsage(await source(flags))
  if (json) console.log(JSON.stringify(verdict, null, 2))
  else print(verdict, flags)
  const [first] = verdict.problems
  if (!first) return
  if (json) process.exitCode = 2
  else
    throw new LittleCloudError({
      code: 'usage.not_as_signed',
      message: `${verdict.problems.length === 1 ? 'something is' : `${verdict.problems.length} things are`} wrong with the records`,
      hint: 'Keep an export (--export FILE): it shows to anybody what is wrong',
      status: 500,
    })
}

async function source({ since, until, node, file, export: to }: Flags): Promise<AsyncIterable<UsageLine>> {
  if (file === undefined) {
    const lines = connect().usage({ from: since, to: until, node })
    if (to === undefined) return lines
    await pipeline(Readable.from(texts(lines)), createWriteStream(to, { mode: 0o600 }))
    return fromFile(to)
  }
  if (since ?? until ?? node ?? to) {
    throw new UsageError('--file checks the whole file', 'Leave out --since, --until, --node and --export')
  }
  if (!(await stat(file).catch(() => undefined))?.isFile()) {
    throw new UsageError(`there is no file ${file}`, 'Make one with: little verify usage --export FILE')
  }
  return fromFile(file)
}

async function* texts(lines: AsyncIterable<UsageLine>): AsyncGenerator<string> {
  for await (const line of lines) yield `${JSON.stringify(line)}\n`
}

async function* fromFile(file: string): AsyncGenerator<UsageLine> {
  let number = 0
  for await (const text of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1
    yield parsed(text) ?? { type: 'unreadable', position: number }
  }
}

function parsed(text: string): UsageLine | undefined {
  try {
    return JSON.parse(text) as UsageLine
  } catch {
    return undefined
  }
}

function print({ nodes, records, sealed, sumsEqual, problems }: UsageVerdict, { node }: Flags): void {
  printTable(
    ['node', 'records', 'first', 'last', 'key'],
    nodes.map((one) => [one.node, one.records, one.first, one.last, one.key]),
  )
  console.log('')
  if (sealed > 0) console.log(`${sealed} records are of other teams: signed and in their place, content not shown`)
  for (const problem of problems.slice(0, shownProblems)) show(problem)
  if (problems.length > shownProblems) console.log(`… and ${problems.length - shownProblems} more`)
  if (problems.length > 0) return
  console.log(`✓ ${records} records: each signed by its node, none missing, changed or there twice`)
  if (sumsEqual !== undefined)
    console.log(`✓ they add up to what little cost says, in ${sumsEqual} lines of ${sumsEqual}`)
  else if (node !== undefined) console.log('  sums are not compared for one node alone')
}

function show({ node, sequence, message, record }: UsageProblem): void {
  const where = node === undefined ? '' : `${node}, record ${sequence}: `
  console.log(`✗ ${where}${message}`)
  if (record) console.log(`  ${JSON.stringify(record)}`)
}
