import type { Command } from 'commander'
import { cgroups } from './doctor/cgroups.ts'
import { type Check, findings } from './doctor/check.ts'
import { forwarding } from './doctor/forwarding.ts'
import { debianPackages, guest, jail, natsServer } from './doctor/installed.ts'
import { isolation } from './doctor/isolation.ts'
import { nftables, ports, tun } from './doctor/network.ts'
import { nodeVersion, system, user } from './doctor/platform.ts'
import { realTimePriority } from './doctor/priority.ts'
import { report, usable } from './doctor/report.ts'
import { disk, memory, openFiles } from './doctor/resources.ts'
import { roles } from './doctor/roles.ts'
import { strays } from './doctor/strays.ts'

/** In the order in which a person would put things right. */
const machine: Check[] = [system, user, nodeVersion, memory, disk, openFiles]
const setUp: Check[] = [debianPackages, guest, jail, natsServer]
const kernel: Check[] = [tun, nftables, forwarding, cgroups, realTimePriority, isolation]
const cloud: Check[] = [ports, () => roles(), strays]

export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .summary('check this machine and say what to do')
    .description('Checks this machine: what is installed, what the kernel allows, how guests are isolated, what runs.')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  little doctor\n  little doctor --json | jq \'.findings[] | select(.level != "ok")\'',
    )
    .action((options: { json?: boolean }) => doctor(options))
}

/** Prints all findings; exit code 0 when the cloud can run here, else 1. */
export async function doctor(options: { json?: boolean }): Promise<void> {
  const all = await findings([...machine, ...setUp, ...kernel, ...cloud])
  console.log(options.json ? JSON.stringify({ usable: usable(all), findings: all }, null, 2) : report(all))
  process.exitCode = usable(all) ? 0 : 1
}
