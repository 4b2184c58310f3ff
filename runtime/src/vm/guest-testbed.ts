import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { cachePaths } from '../core/paths.ts'
import { GuestChannel } from './guest.ts'
import type { Identity } from './guest-identity.ts'
import { Qmp } from './qmp.ts'
import { restoreState, saveState } from './snapshot.ts'

/** For tests of the guest: a real QEMU without jail and tap, whose guest has a busybox as its whole image. */
const run = promisify(execFile)
const memoryMib = 96
const bootDeadlineMs = 60_000

export interface Machine {
  guest: GuestChannel
  qmp: Qmp
  pid: number
  sockets: { ctl: string; log: string }
  /** On this machine's loopback; leads to the guest's port 8080. */
  port: number
  /** Resolves when QEMU has ended by itself or by us. */
  gone: Promise<unknown>
  kill(): Promise<void>
}

export interface Template {
  folder: string
  root: string
}

export const identity = (args: string[], rest: Partial<Identity> = {}): Identity => ({
  hostname: 'testling',
  ip: '10.0.2.15',
  gw: '10.0.2.2',
  gwmac: '52:55:0a:00:02:02',
  dns: ['10.0.2.3'],
  entropy: crypto.getRandomValues(new Uint8Array(64)),
  user: '',
  cwd: '',
  env: [],
  args,
  volumes: [],
  stopSignal: 15,
  ports: [],
  ...rest,
})

/** Boots a machine until it waits for its identity, and keeps its memory and state in the folder. */
export async function makeTemplate(): Promise<Template> {
  const folder = await mkdtemp(join(tmpdir(), 'guest-test-'))
  const template = { folder, root: await busyboxRoot() }
  await writeFile(join(folder, 'ram'), '')
  await truncate(join(folder, 'ram'), memoryMib * 1024 * 1024)
  await writeFile(join(folder, 'scratch'), '')
  await truncate(join(folder, 'scratch'), 64 * 1024 * 1024)
  await run('mkfs.ext4', ['-q', '-F', '-O', '^has_journal', join(folder, 'scratch')])
  const paths = cachePaths()
  const { stdout: tscKhz } = await run(join(paths.initrd, '../tsc'))
  const calibration = `tsc_early_khz=${tscKhz.trim()} lpj=8000000 no_timer_check`
  const boot = ['-kernel', paths.kernel, '-initrd', paths.initrd]
  const append = `${calibration} console=ttyS0 quiet reboot=t panic=-1`
  const machine = await startMachine(template, join(folder, 'template'), [...boot, '-append', append], 'on')
  try {
    await machine.guest.waiting(bootDeadlineMs).catch(async (cause) => {
      throw new Error(`no boot: ${await readFile(join(folder, 'template/console'), 'utf8')}`, { cause })
    })
    const state = openSync(join(folder, 'state'), 'w')
    await saveState(machine.qmp, state).finally(() => closeSync(state))
  } finally {
    await machine.kill()
  }
  return template
}

let copies = 0

/** A running copy of the template, not yet identified. */
export async function restore(template: Template): Promise<Machine> {
  const dir = join(template.folder, `copy-${++copies}`)
  const machine = await startMachine(template, dir, ['-S', '-incoming', 'defer'], 'off')
  let state: number | undefined
  try {
    state = openSync(join(template.folder, 'state'), 'r')
    await restoreState(machine.qmp, state)
    await machine.qmp.execute('cont')
  } catch (error) {
    await machine.kill()
    throw error
  } finally {
    if (state !== undefined) closeSync(state)
  }
  return machine
}

async function startMachine(template: Template, dir: string, rest: string[], share: 'on' | 'off'): Promise<Machine> {
  await mkdir(dir)
  await copyFile(join(template.folder, 'scratch'), join(dir, 'scratch'))
  const scratch = share === 'on' ? join(template.folder, 'scratch') : join(dir, 'scratch')
  const sockets = { ctl: join(dir, 'ctl'), log: join(dir, 'log') }
  const port = await freePort()
  const args = [
    ...['-M', 'microvm,x-option-roms=off,isa-serial=on,rtc=on,pit=on,pic=on,memory-backend=mem'],
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-nodefaults', '-no-user-config', '-nographic', '-no-reboot'],
    ...['-m', `${memoryMib}M`, '-smp', '1'],
    ...[
      '-object',
      `memory-backend-file,id=mem,size=${memoryMib}M,mem-path=${join(template.folder, 'ram')},share=${share}`,
    ],
    ...['-serial', `file:${join(dir, 'console')}`, '-qmp', `unix:${join(dir, 'qmp')},server=on,wait=off`],
    ...['-device', 'virtio-serial-device,max_ports=4'],
    ...['-chardev', `socket,id=ctl,path=${sockets.ctl},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=ctl,name=ctl,nr=1'],
    ...['-chardev', `socket,id=log,path=${sockets.log},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=log,name=log,nr=2'],
    ...['-drive', `if=none,id=root,file=${template.root},format=raw,readonly=on`],
    ...['-device', 'virtio-blk-device,drive=root'],
    ...['-drive', `if=none,id=scratch,file=${scratch},format=raw,cache=unsafe`],
    ...['-device', 'virtio-blk-device,drive=scratch'],
    ...['-netdev', `user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:8080`],
    ...['-device', 'virtio-net-device,netdev=net,mac=52:54:00:6c:63:01'],
  ]
  const qemu = spawn('qemu-system-x86_64', [...args, ...rest], { stdio: ['ignore', 'ignore', 'inherit'] })
  const gone = once(qemu, 'exit')
  const kill = async () => {
    qemu.kill('SIGKILL')
    await gone
  }
  try {
    const guest = await GuestChannel.connect(sockets, { deadlineMs: 20_000 })
    return { guest, qmp: await Qmp.connect(join(dir, 'qmp'), 20_000), pid: qemu.pid!, sockets, port, gone, kill }
  } catch (error) {
    await kill()
    throw error
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

/** An erofs image of Debian's static busybox, made once a machine. */
async function busyboxRoot(): Promise<string> {
  const image = join(tmpdir(), 'littlecloud-busybox-2.erofs')
  if (existsSync(image)) return image
  const work = await mkdtemp(join(tmpdir(), 'busybox-'))
  try {
    await chmod(work, 0o777)
    await run('apt-get', ['download', '-q', 'busybox-static'], { cwd: work })
    const [deb] = (await readdir(work)).filter((name) => name.endsWith('.deb'))
    await run('dpkg-deb', ['-x', join(work, deb!), join(work, 'package')])
    const root = join(work, 'root')
    await mkdir(join(root, 'bin'), { recursive: true })
    await mkdir(join(root, 'etc'))
    await copyFile(join(work, 'package/bin/busybox'), join(root, 'bin/busybox'))
    const { stdout } = await run(join(root, 'bin/busybox'), ['--list'])
    for (const applet of stdout.trim().split('\n')) {
      if (applet !== 'busybox') await symlink('busybox', join(root, 'bin', applet))
    }
    await writeFile(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nweb:x:1000:1000::/srv:/bin/sh\n')
    await writeFile(join(root, 'etc/group'), 'root:x:0:\nweb:x:1000:\nextra:x:2000:other,web\n')
    const arm64 = Buffer.alloc(64)
    arm64.write('\x7fELF\x02\x01\x01', 'latin1')
    arm64.writeUInt16LE(2, 16) // ET_EXEC
    arm64.writeUInt16LE(183, 18) // EM_AARCH64
    await writeFile(join(root, 'bin/for-arm64'), arm64, { mode: 0o755 })
    await writeFile(join(root, 'bin/no-interpreter'), '#!/bin/nowhere\n', { mode: 0o755 })
    await writeFile(join(root, 'bin/no-format'), 'just text', { mode: 0o755 })
    await writeFile(join(root, 'bin/no-mode'), '#!/bin/sh', { mode: 0o644 })
    await run('mkfs.erofs', [join(work, 'image'), root])
    await rename(join(work, 'image'), image)
    return image
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Polls a fact that has no event of its own. */
export async function until<T>(read: () => T | false | Promise<T | false>, deadlineMs = 20_000): Promise<T> {
  const deadlineAtMs = performance.now() + deadlineMs
  for (;;) {
    const value = await read()
    if (value) return value
    if (performance.now() > deadlineAtMs) throw new Error(`not within ${deadlineMs} ms: ${read}`)
    await delay(10)
  }
}
