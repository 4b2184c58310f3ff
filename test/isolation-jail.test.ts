import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, ftruncateSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import koffi from 'koffi'
import { JailFailed, type JailFiles, jailFiles, launch } from '../runtime/src/vm/launch.ts'
import { createMemfd, sealMemfd } from '../runtime/src/vm/memfd.ts'
import { ensureJail } from '../scripts/setup/jail.ts'
import { inOwnNetwork } from './isolation-own-network.ts'
import { compile } from './isolation-programs.ts'

type Answers = Map<string, string>

if (inOwnNetwork(import.meta.filename)) {
  let folder: string
  let jail: JailFiles
  let inside: Answers
  let outside: Answers
  const servers: Server[] = []
  const victim = spawn('sleep', ['600'])

  before(async () => {
    await ensureJail(() => {})
    folder = await mkdtemp(join(tmpdir(), 'littlecloud-jail-'))
    jail = { launch: jailFiles().launch, root: await emptyRoot(folder) }
    const secret = join(folder, 'secret')
    await writeFile(secret, 'of another tenant', { mode: 0o644 })
    const socket = join(folder, 'service')
    const port = await listenOnBoth(servers, socket)
    execFileSync('ip', ['tuntap', 'add', 'dev', 'lcprobe', 'mode', 'tap', 'vnet_hdr'])
    const args = [String(victim.pid), secret, socket, String(port)]
    outside = runOutside(join(jail.root, 'probe'), args)
    inside = await runInside(args)
  })
  after(async () => {
    victim.kill()
    for (const server of servers) server.close()
    await rm(folder, { recursive: true, force: true })
  })

  const runInside = async (args: string[]): Promise<Answers> => {
    const dir = join(folder, 'inside')
    await mkdir(dir)
    const taps = [{ fd: 9, name: 'lcprobe' }]
    const memory = createMemfd('template')
    ftruncateSync(memory, 8192)
    sealMemfd(memory)
    const memfds = [{ fd: 10, path: `/proc/${process.pid}/fd/${memory}` }]
    const jailed = await launch({ dir, jail, uid: 200_001, taps, memfds, command: ['/probe', ...args, '9', '10'] })
    assert.equal(await jailed.gone(), 0)
    closeSync(memory)
    return parse(await readFile(join(dir, 'stderr'), 'utf8'))
  }

  const refused = (...names: string[]) => {
    for (const name of names) {
      assert.equal(outside.get(name), 'allowed', `${name} proves nothing: it is refused outside too`)
      const answer = inside.get(name)
      assert.ok(answer && answer !== 'allowed', `${name}: ${answer}`)
    }
  }

  test('a jailed program finds no file of the host and can make none', () => {
    refused(
      'read-file',
      'read-file-by-dots',
      'read-passwd',
      'read-file-by-victim',
      'create-file',
      'mknod',
      'read-cpuinfo',
    )
    refused('write-own-oom-score')
  })

  test('a jailed program sees no other process and can touch none', () => {
    refused('see-processes', 'signal', 'ptrace', 'read-memory', 'pidfd')
  })

  test('a jailed program can make no process and no namespace', () => {
    refused('fork', 'unshare-user', 'clone-user', 'unshare-net', 'mount', 'chroot')
  })

  test('a jailed program can make no connection', () => {
    refused('tcp', 'unix', 'netlink', 'packet')
  })

  test('a jailed program can gain no privilege', () => {
    refused('setuid', 'real-time', 'capability', 'io_uring', 'bpf', 'userfaultfd')
  })

  test('a jailed program can use its tap but not keep or give it away', () => {
    refused('tap-stay', 'tap-owner')
    assert.equal(inside.get('tap-features'), 'allowed')
  })

  test("a jailed program cannot change its template's memory, which others share", () => {
    refused('write-template', 'grow-template')
  })

  test('a launch that is refused says which step failed and why', async () => {
    const spec = { dir: folder, jail, uid: 200_001, command: ['/probe'] }
    const failures: [object, RegExp][] = [
      [{ uid: 0 }, /jail: options: 0/],
      [{ command: ['/nothing'] }, /jail: exec: \/nothing: No such file/],
      [{ jail: { ...jail, root: '/nowhere' } }, /jail: root: \/nowhere: No such file/],
      [{ taps: [{ fd: 9, name: 'lcmissing' }] }, /jail: tap: lcmissing: No such device/],
      [{ files: [{ fd: 9, mode: 'r', path: '/nothing' }] }, /jail: file: \/nothing: No such file/],
      [{ memfds: [{ fd: 9, path: join(folder, 'secret') }] }, /jail: memfd: /],
      [{ cgroups: ['/nowhere'] }, /jail: cgroup: .*No such file/],
      [{ jail: { ...jail, launch: '/nowhere' } }, /ENOENT/],
    ]
    for (const [change, reason] of failures) {
      await assert.rejects(launch({ ...spec, ...change }), (error: Error) => {
        assert.ok(error instanceof JailFailed)
        assert.match(error.message, reason)
        return true
      })
    }
  })

  const runOutside = (probe: string, args: string[]): Answers => {
    const tap = openTap('lcprobe')
    const memory = createMemfd('unsealed')
    ftruncateSync(memory, 8192)
    try {
      // a mount namespace of its own, for what it succeeds to mount
      const stdio: (number | 'pipe' | 'inherit')[] = ['pipe', 'pipe', 'inherit', tap, memory]
      return parse(execFileSync('unshare', ['--mount', probe, ...args, '3', '4'], { stdio, encoding: 'utf8' }))
    } finally {
      closeSync(tap)
      closeSync(memory)
    }
  }
}

const parse = (text: string): Answers =>
  new Map(
    text
      .trim()
      .split('\n')
      .map((line) => [line.split(' ', 1)[0]!, line.slice(line.indexOf(' ') + 1)]),
  )

async function emptyRoot(folder: string): Promise<string> {
  const root = join(folder, 'root')
  for (const name of ['', 'proc', 'dev']) await mkdir(join(root, name), { mode: 0o755 })
  compile('probe', root)
  return root
}

/** A service of the host on its loopback and on a Unix socket; resolves with the port. */
async function listenOnBoth(servers: Server[], socket: string): Promise<number> {
  const tcp = createServer((stream) => stream.destroy()).listen(0, '127.0.0.1')
  const unix = createServer((stream) => stream.destroy()).listen(socket)
  servers.push(tcp, unix)
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const address = tcp.address()
  assert.ok(address && typeof address === 'object')
  return address.port
}

function openTap(name: string): number {
  const TUNSETIFF = 0x400454ca
  const ioctl = koffi.load('libc.so.6').func('int ioctl(int fd, unsigned long request, _In_ uint8_t *argument)')
  const tap = openSync('/dev/net/tun', 'r+')
  const request = Buffer.alloc(40)
  request.write(name)
  request.writeUInt16LE(0x5002, 16) // IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
  assert.equal(ioctl(tap, TUNSETIFF, request), 0)
  return tap
}
