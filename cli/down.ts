import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { dataDir } from '../runtime/src/core/paths.ts'
import { alive } from '../runtime/src/vm/process.ts'
import { supervisor } from './up.ts'

/** Each role has 20 s; the host ends all instances in one go. */
const endsWithinMs = 110_000

export function downCommand(program: Command): void {
  program
    .command('down')
    .summary('end the cloud on this machine')
    .description(
      'Ends the cloud on this machine: all roles and all instances. Apps start anew with the next little up.',
    )
    .addHelpText('after', '\nExamples:\n  little down')
    .action(() => down())
}

/** Afterwards nothing of the cloud runs on this machine, also if its supervisor was killed before. */
export async function down(): Promise<void> {
  const running = supervisor()
  if (running) {
    process.kill(running.pid, 'SIGTERM')
    for (const until = Date.now() + endsWithinMs; alive(running.pid, running.startTime); await delay(50)) {
      if (Date.now() < until) continue
      process.kill(running.pid, 'SIGKILL')
      break
    }
  }
  const swept = sweep()
  if (!running && swept.length === 0) console.log('No cloud is running on this machine.')
  else
    console.log(
      swept.length > 0 ? `The cloud is down. Cleaned up after a crash: ${swept.join(', ')}.` : 'The cloud is down.',
    )
}

/** What a killed supervisor or agent left: its roles, then microVMs, taps, packet rules and groups. */
function sweep(): string[] {
  const config = join(dataDir(), 'config', 'host.json')
  if (!existsSync(config)) return []
  const script = join(import.meta.dirname, '../runtime/src/bin/sweep.ts')
  const { stdout } = spawnSync(process.execPath, [script, '--config', config], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return stdout ? (JSON.parse(stdout) as string[]) : []
}
