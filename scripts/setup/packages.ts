import { execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { SetupFailed } from './failed.ts'
import type { Progress } from './progress.ts'
import { withoutServices } from './services.ts'

const run = promisify(execFile)

export interface DebianPackage {
  name: string
  why: string
  /** `test`: only the tests and benchmarks need it. */
  for: 'run' | 'test'
}

/** Everything taken from Debian, without its recommendations. CONTRIBUTING.md: a new one needs a reason here. */
export const packages: DebianPackage[] = [
  { name: 'libatomic1', why: 'the pinned Node needs it (with-node.sh installs it)', for: 'run' },
  { name: 'qemu-system-x86', why: 'runs the microVMs', for: 'run' },
  { name: 'e2fsprogs', why: "formats an instance's scratch disk", for: 'run' },
  { name: 'gcc', why: "compiles the guest's init and the jail", for: 'run' },
  { name: 'musl-tools', why: 'makes those programs static and small', for: 'run' },
  { name: 'linux-libc-dev', why: 'headers of the kernel interfaces that they use', for: 'run' },
  { name: 'iproute2', why: "makes the guests' network devices", for: 'run' },
  { name: 'nftables', why: 'keeps guests from each other and from this machine', for: 'run' },
  { name: 'skopeo', why: 'copies images from registries and archives', for: 'run' },
  { name: 'buildah', why: 'builds folders with a Dockerfile', for: 'run' },
  { name: 'zstd', why: 'unpacks zstd layers and packages', for: 'run' },
  { name: 'ca-certificates', why: 'checks the certificates of registries', for: 'run' },
  { name: 'erofs-utils', why: 'checks the root images that we write', for: 'test' },
  { name: 'mmdebstrap', why: 'makes base images without a registry', for: 'test' },
  { name: 'procps', why: 'sets kernel parameters in network namespaces', for: 'test' },
  { name: 'docker-registry', why: 'a registry to import from', for: 'test' },
  { name: 'redis-tools', why: 'redis-cli keeps a connection to an app that sleeps', for: 'test' },
  { name: 'postgresql-client', why: 'so does psql', for: 'test' },
  { name: 'haproxy', why: 'what the edge is measured against', for: 'test' },
  { name: 'crun', why: 'what a wake is measured against', for: 'test' },
]

/** The packages of the list that this machine lacks. */
export async function missingPackages(purpose: DebianPackage['for']): Promise<DebianPackage[]> {
  const wanted = packages.filter((one) => one.for === 'run' || purpose === 'test')
  const names = wanted.map((one) => one.name)
  // dpkg-query ends with 1 when it does not know a name, and still prints the others
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders
  const format = '${Package} ${db:Status-Abbrev}\n'
  const { stdout } = await run('dpkg-query', ['-W', '-f', format, ...names]).catch((error: { stdout?: string }) => ({
    stdout: error.stdout ?? '',
  }))
  const installed = new Set(stdout.split('\n').flatMap((line) => (/^(\S+) [ih]i/.exec(line) ?? []).slice(1)))
  return wanted.filter((one) => !installed.has(one.name))
}

/** Installs what is missing of the list, nothing else, and leaves the machine's services as they were. */
export async function ensurePackages(progress: Progress, purpose: DebianPackage['for']): Promise<void> {
  const missing = await missingPackages(purpose)
  if (missing.length === 0) return
  const width = Math.max(...missing.map((one) => one.name.length))
  progress(`installing ${missing.length} Debian packages and what they depend on:`)
  for (const one of missing) progress(`  ${one.name.padEnd(width)}  ${one.why}`)

  // A failed update is no failure yet: one broken source of the machine's own must not stop us, the install tells.
  await apt(['update', '-q'], () => {}).catch((error: Error) => progress(`apt-get update: ${error.message}`))
  const names = new Set(missing.map((one) => one.name))
  const install = ['install', '-y', '-q', '--no-install-recommends', ...names]
  const onLine = (line: string) => {
    const name = /^Setting up ([a-z0-9.+-]+)/.exec(line)?.[1]
    if (name && names.has(name)) progress(`installed ${name}`)
    else if (/^Need to get/.test(line)) progress(line.replace(/^Need/, 'needs'))
  }
  await withoutServices(() => apt(install, onLine)).catch((error: Error) => {
    throw new SetupFailed(
      `apt-get could not install ${[...names].join(', ')}: ${error.message}`,
      `See what is wrong with: apt-get update && apt-get install ${[...names].join(' ')}`,
      { cause: error },
    )
  })
}

async function apt(args: string[], onLine: (line: string) => void): Promise<void> {
  // waits up to 5 min when something else (unattended upgrades, another set-up) is installing
  const options = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Dpkg::Use-Pty=0', '-o', 'Acquire::Retries=3']
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
  const child = spawn('apt-get', [...options, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const errors: string[] = []
  createInterface({ input: child.stdout }).on('line', onLine)
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (/^(E:|dpkg: error)/.test(line)) errors.push(line.replace(/^E: /, ''))
  })
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (code !== 0) throw new Error(errors.slice(-3).join('; ') || `apt-get ended with ${code}`)
}
