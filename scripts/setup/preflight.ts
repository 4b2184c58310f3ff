import { existsSync } from 'node:fs'
import { type Check, type Finding, findings } from '../../cli/doctor/check.ts'
import { nftables, ports, tun } from '../../cli/doctor/network.ts'
import { nodeVersion, system, user } from '../../cli/doctor/platform.ts'
import { disk, memory } from '../../cli/doctor/resources.ts'
import { cachePaths } from '../../runtime/src/core/paths.ts'
import { SetupFailed } from './failed.ts'

/** Before anything is touched: can this machine be set up at all? The tests take free ports of their own. */
export async function beforeSetup(purpose: 'run' | 'test'): Promise<void> {
  const fresh = !existsSync(cachePaths().machine)
  refuseIfBad(await findings([system, user, nodeVersion])) // first: the others only tell of root what root can see
  const checks: Check[] = [() => disk(fresh), memory, tun]
  refuseIfBad(await findings(purpose === 'run' ? [...checks, ports] : checks))
}

/** What can only be tried once the packages are there. */
export async function afterPackages(): Promise<void> {
  refuseIfBad(await findings([nftables]))
}

/** Warnings are little doctor's business; here only what would fail later anyway, all of it at once. */
function refuseIfBad(all: Finding[]): void {
  const bad = all.filter((one) => one.level === 'fail')
  if (bad.length === 0) return
  const facts = bad.map((one) => `${one.name}: ${one.fact}`).join('\n  ')
  throw new SetupFailed(facts, [...new Set(bad.map((one) => one.next ?? ''))].join('\n  '))
}
