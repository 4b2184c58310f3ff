import { join } from 'node:path'
import { LittleError } from '../runtime/src/core/errors.ts'
import { cacheDir } from '../runtime/src/core/paths.ts'
import { detectMachine, knownMachine } from '../runtime/src/vm/accelerator.ts'
import { makeExampleServers } from './images/servers.ts'
import { SetupFailed } from './setup/failed.ts'
import { ensureGuest } from './setup/guest.ts'
import { ensureJail } from './setup/jail.ts'
import { lock } from './setup/lock.ts'
import { ensureNats } from './setup/nats.ts'
import { ensurePackages } from './setup/packages.ts'
import { afterPackages, beforeSetup } from './setup/preflight.ts'
import { step } from './setup/progress.ts'

/** Everything that a fresh machine lacks, each step skipped when it is there already: setup.ts [--for test] */
async function setUp(purpose: 'run' | 'test'): Promise<void> {
  await beforeSetup(purpose)
  const wait = () => console.error('littlecloud: another set-up is at work on this machine; waiting for it')
  await using _alone = await lock(join(cacheDir(), 'setup.lock'), wait)
  await step('packages', (progress) => ensurePackages(progress, purpose))
  await afterPackages()
  await step('guest', (progress) => ensureGuest(progress))
  await step('jail', (progress) => ensureJail(progress))
  await step('nats-server', (progress) => ensureNats(progress))
  await step('examples', () => makeExampleServers())
  await step('machine', async (progress) => {
    if (await knownMachine()) return
    progress('finding out whether KVM works here: booting a guest in it')
    const { accelerator, isolation, reason } = await detectMachine()
    progress(accelerator === 'kvm' ? 'it does: isolation is hardware' : `it does not: ${reason}`)
    if (isolation === 'emulated') progress('QEMU emulates the CPU instead: slower, and only for what you trust')
  })
}

try {
  await setUp(purposeOf(process.argv.slice(2)))
} catch (error) {
  if (!(error instanceof LittleError)) throw error
  console.error(`littlecloud: this machine could not be set up\n  ${error.message}\n  ${error.hint}`)
  process.exitCode = 1
}

function purposeOf(args: string[]): 'run' | 'test' {
  if (args.length === 0) return 'run'
  if (args.join(' ') === '--for test') return 'test'
  throw new SetupFailed(`unknown arguments: ${args.join(' ')}`, 'Known is only: --for test')
}
