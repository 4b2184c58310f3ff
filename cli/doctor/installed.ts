import { access } from 'node:fs/promises'
import { findNatsServer, natsServerVersion } from '../../runtime/src/cluster/nats-binary.ts'
import { LittleError } from '../../runtime/src/core/errors.ts'
import { cachePaths } from '../../runtime/src/core/paths.ts'
import { missingPackages } from '../../scripts/setup/packages.ts'
import { type Finding, fail, ok } from './check.ts'

const setUp = 'Run: npm start (or sh scripts/with-node.sh scripts/setup.ts), which fetches and builds what is missing'

export async function debianPackages(): Promise<Finding[]> {
  const missing = await missingPackages('run')
  if (missing.length === 0) return [ok('packages', 'all installed')]
  return [fail('packages', `missing: ${missing.map((one) => `${one.name} (${one.why})`).join(', ')}`, setUp)]
}

export async function guest(): Promise<Finding[]> {
  const { kernel, initrd } = cachePaths()
  return [await present('guest', 'kernel and init', [kernel, initrd])]
}

export async function jail(): Promise<Finding[]> {
  const { jailLaunch, jailBoost, jailRoot } = cachePaths()
  return [await present('jail', 'launcher, boost and root', [jailLaunch, jailBoost, jailRoot])]
}

export async function natsServer(): Promise<Finding[]> {
  try {
    const path = await findNatsServer()
    return [ok('nats', `nats-server ${await natsServerVersion(path)}, ${path}`)]
  } catch (error) {
    if (error instanceof LittleError) return [fail('nats', error.message, error.hint)]
    throw error
  }
}

async function present(name: string, what: string, paths: string[]): Promise<Finding> {
  for (const path of paths) {
    const there = await access(path).then(
      () => true,
      () => false,
    )
    if (!there) return fail(name, `${path} is not there`, setUp)
  }
  return ok(name, `${what} are in place`)
}
