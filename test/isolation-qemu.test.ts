import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { findLaunched, jailFiles, type Launched, launch } from '../runtime/src/vm/launch.ts'
import { descriptors, restoreArguments } from '../runtime/src/vm/machine.ts'
import { createMemfd, sealMemfd } from '../runtime/src/vm/memfd.ts'
import { ensureJail } from '../scripts/setup/jail.ts'
import { inOwnNetwork } from './isolation-own-network.ts'

const uid = 200_002

if (inOwnNetwork(import.meta.filename)) {
  let dir: string
  let launched: Launched

  before(async () => {
    await ensureJail(() => {})
    dir = await mkdtemp(join(tmpdir(), 'littlecloud-qemu-'))
    launched = await start(dir)
  })
  after(async () => {
    launched?.kill()
    await launched?.gone()
    await rm(dir, { recursive: true, force: true })
  })

  test('a microVM starts in the jail, with every device that an instance has', async () => {
    const status = await ask(join(dir, 'qmp'), 'query-status')
    assert.equal((status as { status: string }).status, 'inmigrate', await readFile(join(dir, 'stderr'), 'utf8'))
  })

  test('a monitor that goes away can come again, also another one', async () => {
    for (let times = 0; times < 3; times++) assert.ok(await ask(join(dir, 'qmp'), 'query-version'))
  })

  test('a jailed QEMU has another user, no capability and both system call filters', async () => {
    const status = await readFile(`/proc/${launched.pid}/status`, 'utf8')
    const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]?.trim()
    assert.equal(field('Uid'), `${uid}\t${uid}\t${uid}\t${uid}`)
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      assert.equal(Number(`0x${field(set)}`), 0, set)
    assert.deepEqual(
      ['Groups', 'NoNewPrivs', 'Seccomp_filters', 'THP_enabled'].map(field),
      ['', '1', '2', '0'], // one filter is ours, one QEMU's
    )
  })

  test('an agent that comes later finds the microVM by its folder, and can end it', async () => {
    const found = await findLaunched(dir)
    assert.deepEqual(found?.identity, launched.identity)
    found?.kill()
    assert.equal(await launched.gone(), 128 + 9)
    assert.equal(await findLaunched(dir), undefined)
  })

  test('a microVM ends with its launcher, however that ends', async () => {
    launched = await start(dir)
    process.kill(launched.identity.launcherPid, 'SIGKILL')
    await launched.gone()
    assert.equal(launched.alive, false)
  })
}

/** As an instance is restored, up to the moment where the template's state would come. */
async function start(dir: string): Promise<Launched> {
  const [root, scratch] = [join(dir, 'root'), join(dir, 'scratch')]
  for (const file of [root, scratch]) {
    await writeFile(file, '')
    await truncate(file, 1024 * 1024)
  }
  const ram = createMemfd('template')
  const ramPath = `/proc/${process.pid}/fd/${ram}`
  await truncate(ramPath, 64 * 1024 * 1024)
  sealMemfd(ram)
  if (!execFileSync('ip', ['-br', 'link'], { encoding: 'utf8' }).includes('lcqemu')) {
    execFileSync('ip', ['tuntap', 'add', 'dev', 'lcqemu', 'mode', 'tap', 'vnet_hdr'])
  }
  return launch({
    dir,
    jail: jailFiles(),
    uid,
    memfds: [{ fd: descriptors.ram, path: ramPath }],
    files: [
      { fd: descriptors.console, mode: 'w', path: join(dir, 'console') },
      { fd: descriptors.root, mode: 'r', path: root },
      { fd: descriptors.scratch, mode: 'rw', path: scratch },
    ],
    listens: (['qmp', 'hmp', 'ctl', 'log'] as const).map((name) => ({ fd: descriptors[name], path: join(dir, name) })),
    taps: [{ fd: descriptors.tap, name: 'lcqemu' }],
    command: ['/qemu', ...restoreArguments({ accelerator: 'tcg', memoryMib: 64, cpus: 1 })],
  })
}

/** One monitor's whole visit: greeting, capabilities, a question, good-bye. */
async function ask(path: string, question: string): Promise<unknown> {
  const socket: Socket = connect(path)
  const signal = AbortSignal.timeout(20_000)
  await once(socket, 'connect', { signal })
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  const next = async () => JSON.parse(String((await lines.next()).value)) as { return?: unknown; error?: unknown }
  try {
    await next()
    for (const execute of ['qmp_capabilities', question]) socket.write(`${JSON.stringify({ execute })}\n`)
    await next()
    return (await next()).return
  } finally {
    socket.end()
    await once(socket, 'close', { signal })
  }
}
