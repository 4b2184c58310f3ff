import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { dataDir } from '../runtime/src/core/paths.ts'
import { type RunFile, readRunFiles } from '../runtime/src/core/run-files.ts'
import { alive } from '../runtime/src/vm/process.ts'
import { mebibytes } from './flags.ts'

const order = ['nats', 'control', 'billing', 'host', 'edge']
const readyWithinMs = 120_000

interface UpFlags {
  detach?: boolean
  allowForeignOnEmulated?: boolean
  memoryBudget?: number
}

export function upCommand(program: Command): void {
  program
    .command('up')
    .summary('start the cloud on this machine')
    .description('Starts the cloud on this machine and stays in the foreground; Ctrl-C ends it, and its apps with it.')
    .option('-d, --detach', 'leave it running in the background; little down ends it')
    .option('--allow-foreign-on-emulated', "let other teams than the owner's run programs here without KVM")
    .option(
      '--memory-budget <MiB>',
      "memory for apps (default: the machine's, less an eighth)",
      mebibytes(128, 16_777_216),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  little up\n  little up --detach\n  little up --allow-foreign-on-emulated\n  little up --memory-budget 8G\n  LITTLE_EDGE_PORT=80 LITTLE_DATA=/srv/cloud little up',
    )
    .action((options: UpFlags) => up(options))
}

/** Resolves when the cloud has ended, or, detached, when it is ready. */
export async function up({ detach = false, allowForeignOnEmulated = false, memoryBudget }: UpFlags): Promise<void> {
  const running = supervisor()
  if (running) {
    console.error(`The cloud is running already.\n${addresses(running)}`)
    process.exitCode = 1
    return
  }
  const data = dataDir()
  const log = join(data, 'log', 'up.log')
  mkdirSync(join(data, 'log'), { recursive: true, mode: 0o700 })
  const output = openSync(log, 'a', 0o600)
  const from = readFileSync(log).length
  const script = join(import.meta.dirname, '../runtime/src/bin/up.ts')
  // Its own group, so that Ctrl-C reaches it once, from us, and not its roles directly.
  const flags = [
    ...(allowForeignOnEmulated ? ['--allow-foreign-on-emulated'] : []),
    ...(memoryBudget === undefined ? [] : ['--memory-budget', String(memoryBudget)]),
  ]
  const child = spawn(process.execPath, [script, ...flags], { stdio: ['ignore', output, output], detached: true })
  closeSync(output)
  const exited = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)))
  const ready = await Promise.race([awaitReady(), exited.then(() => undefined)])
  if (!ready) {
    console.error(reason(readFileSync(log).subarray(from).toString(), log))
    process.exitCode = 1
    return
  }
  console.log(addresses(ready))
  if (detach) {
    child.unref()
    return
  }
  console.log('Ctrl-C ends it.')
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill('SIGTERM'))
  process.exitCode = await exited
}

async function awaitReady(): Promise<RunFile | undefined> {
  const told = new Set<string>()
  for (const until = Date.now() + readyWithinMs; Date.now() < until; await delay(50)) {
    const files = readRunFiles()
    for (const role of order) {
      if (told.has(role) || files.find((file) => file.role === role)?.state !== 'ready') continue
      told.add(role)
      console.log(`  ${role} is ready`)
    }
    const running = supervisor()
    if (running?.state === 'ready') return running
  }
  return undefined
}

/** The living supervisor of this data folder's cloud. */
export function supervisor(): RunFile | undefined {
  const file = readRunFiles().find(({ role }) => role === 'up')
  return file && alive(file.pid, file.startTime) ? file : undefined
}

const addresses = ({ apiUrl, edgePort }: RunFile) =>
  `The cloud is up: apps at http://<app>.localhost:${edgePort}, API at ${apiUrl}`

/** The last thing the supervisor logged, as three lines for a person. */
function reason(text: string, log: string): string {
  for (const line of text.trim().split('\n').reverse()) {
    try {
      const { msg, hint } = JSON.parse(line) as { msg?: string; hint?: string }
      if (hint) return `The cloud did not start.\n  ${msg}\n  ${hint}`
    } catch {
      // not a line of the log
    }
  }
  return `The cloud did not start.\n  Its last words are in ${log}\n  little doctor checks this machine`
}
