import { execFile } from 'node:child_process'
import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { NatsServerMissing } from '../../runtime/src/cluster/errors.ts'
import {
  findNatsServer,
  isNewEnough,
  natsServerVersion,
  oldestNatsServer,
} from '../../runtime/src/cluster/nats-binary.ts'
import { cachePaths } from '../../runtime/src/core/paths.ts'

const run = promisify(execFile)
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** Afterwards `findNatsServer` finds one; returns its path. Fetches only what is missing; throws NatsServerMissing. */
export async function ensureNats(progress: (line: string) => void, cache?: string): Promise<string> {
  const found = await findNatsServer(cache).catch((error: Error) => {
    if (process.env.LITTLE_NATS) throw error // the operator's choice is never replaced silently
  })
  if (found) return found
  progress('fetching it from Debian testing (about 10 s): it keeps the state of the cloud')
  const scratch = await mkdtemp(join(tmpdir(), 'littlecloud-nats-'))
  try {
    const binary = await unpack(await download(scratch), scratch)
    const version = await natsServerVersion(binary)
    if (!version) throw new NatsServerMissing('the nats-server of Debian testing does not run on this machine')
    if (!isNewEnough(version)) throw new NatsServerMissing(`Debian testing has nats-server ${version}, too old`)
    await place(binary, cachePaths(cache).natsServer)
    progress(`version ${version}, into the cache folder only`)
    return cachePaths(cache).natsServer
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/**
 * Gets the package through an apt root of its own, so that the machine's sources and package lists stay as they are:
 * trixie and older only have versions below ours.
 */
async function download(scratch: string): Promise<string> {
  const mirror = await debianMirror()
  const lists = join(scratch, 'lists')
  const archives = join(scratch, 'cache')
  await Promise.all([mkdir(join(lists, 'partial'), { recursive: true }), mkdir(archives, { recursive: true })])
  const sources = join(scratch, 'sources.list')
  await writeFile(sources, `deb [signed-by=${keyring}] ${mirror} testing main\n`)
  const options = [
    `Dir::Etc::sourcelist=${sources}`,
    'Dir::Etc::sourceparts=/dev/null',
    'Dir::Etc::preferencesparts=/dev/null',
    `Dir::State::lists=${lists}`,
    'Dir::State::status=/dev/null',
    `Dir::Cache=${archives}`,
    'APT::Sandbox::User=root', // the scratch folder is not readable for apt's own user
    'Acquire::Languages=none',
    'Acquire::Check-Valid-Until=false', // a mirror that lags does too: the signature counts, and the version
    'Acquire::Retries=3',
  ].flatMap((option) => ['-o', option])
  await apt([...options, 'update'], scratch)
  await apt([...options, 'download', 'nats-server'], scratch)
  const file = (await readdir(scratch)).find((name) => name.endsWith('.deb'))
  if (!file) throw new NatsServerMissing('apt downloaded no nats-server package')
  return join(scratch, file)
}

async function apt(args: string[], cwd: string): Promise<string> {
  try {
    return (await run('apt-get', ['-q', ...args], { cwd, timeout: 300_000 })).stdout
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string }
    const why = (stderr?.trim() || message).split('\n').at(-1)
    throw new NatsServerMissing(`nats-server ≥ ${oldestNatsServer} could not be fetched: ${why}`, { cause: error })
  }
}

/** Where this machine itself gets Debian from: its mirror is one it can reach. */
async function debianMirror(): Promise<string> {
  const uris = await apt(['update', '--print-uris'], '/') // works before the first update as well
  for (const [, mirror] of uris.matchAll(/^'(\S+?)\/dists\/[a-z]+\/InRelease'/gm)) {
    if (/\/debian$/.test(mirror!)) return mirror!
  }
  throw new NatsServerMissing("no Debian mirror is named in this machine's apt sources")
}

async function unpack(deb: string, scratch: string): Promise<string> {
  await run('dpkg', ['-x', deb, join(scratch, 'root')])
  return join(scratch, 'root/usr/sbin/nats-server')
}

/** Whole or not at all, also when two set-ups run at the same time. */
async function place(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  const temporary = `${to}.${process.pid}`
  await copyFile(from, temporary)
  await chmod(temporary, 0o755)
  await rename(temporary, to)
}
