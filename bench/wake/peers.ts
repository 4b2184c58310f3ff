import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { importImage } from '../../runtime/src/image/import.ts'
import type { StoredImage } from '../../runtime/src/image/store.ts'
import type { ImageConfig } from '../../runtime/src/model/release.ts'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import { percentiles } from '../statistics.ts'
import { bootOnce, closeBootRig, openBootRig } from './full-boot.ts'
import type { User } from './user.ts'

const run = promisify(execFile)

export interface Peer {
  name: string
  samples: number
  /** From the start command to the first byte. */
  first_byte_ms: { p50: number; p99: number }
}

/** The same image started from nothing: as a container by crun, and as a microVM that boots its kernel. */
export async function coldStarts(
  kind: string,
  imageName: string,
  runs: number,
  user: User,
  progress: (line: string) => void,
): Promise<Peer[]> {
  const dir = await mkdtemp(join(tmpdir(), 'littlecloud-peers-'))
  try {
    const image = await importImage(await ensureExampleImage(imageName), { dataDir: dir })
    const container = await underCrun(dir, image, runs, user)
    progress(`${kind}: ${runs} containers started`)
    const rig = await openBootRig(dir)
    const booted: number[] = []
    try {
      for (let index = 0; index < runs; index++) booted.push(await bootOnce(rig, image, user))
    } finally {
      await closeBootRig(rig)
    }
    progress(`${kind}: ${runs} microVMs booted`)
    return [
      { name: `${kind}, crun`, samples: container.length, first_byte_ms: percentiles(container) },
      { name: `${kind}, microVM booting its kernel`, samples: booted.length, first_byte_ms: percentiles(booted) },
    ]
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

async function underCrun(dir: string, { rootPath, config }: StoredImage, runs: number, user: User): Promise<number[]> {
  const bundle = join(dir, 'bundle')
  const root = join(bundle, 'rootfs')
  const image = join(dir, 'image')
  await mkdir(image)
  await mkdir(bundle)
  await run('mount', ['-t', 'erofs', '-o', 'ro,loop', rootPath, image])
  await run('cp', ['-a', image, root]).finally(() => run('umount', [image])) // a writable copy, as engines give one
  const pidFile = join(dir, 'pid')
  const times: number[] = []
  try {
    await writeFile(join(bundle, 'config.json'), JSON.stringify(runtimeConfig(config)))
    await using mounts = await plainCgroups()
    for (let index = 0; index < runs; index++) {
      const id = `littlecloud-peer-${process.pid}-${index}`
      const began = performance.timeOrigin + performance.now()
      const child = spawn('nsenter', [...mounts.enter, ...crun, 'run', '--pid-file', pidFile, '--bundle', bundle, id], {
        stdio: 'ignore',
      })
      const exited = new Promise((resolve) => child.once('exit', resolve))
      const { beganUs, firstByteMs } = await user.getAt('127.0.0.1', config.exposedPorts[0] ?? 8080)
      times.push(beganUs / 1000 + firstByteMs - began)
      process.kill(Number(await readFile(pidFile, 'utf8')), 'SIGKILL')
      await exited
    }
  } finally {
    await rm(bundle, { recursive: true, force: true })
  }
  return times
}

const crun = ['crun', '--cgroup-manager=disabled']

/** A mount namespace without the second cgroup hierarchy, where there are two: crun refuses that layout. */
async function plainCgroups(): Promise<AsyncDisposable & { enter: string[] }> {
  const script = 'umount /sys/fs/cgroup/unified 2>/dev/null; echo ready; exec sleep infinity'
  const holder = spawn('unshare', ['--mount', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  await once(holder.stdout, 'data')
  return {
    enter: ['--target', String(holder.pid), '--mount'],
    async [Symbol.asyncDispose]() {
      const ended = once(holder, 'exit')
      holder.kill('SIGKILL')
      await ended
    },
  }
}

/** The least that starts: own mount and process namespaces on the host's network, so a lower bound for a container. */
function runtimeConfig({ entrypoint, cmd, env, workingDir }: ImageConfig) {
  const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  return {
    ociVersion: '1.0.2',
    process: { user: { uid: 0, gid: 0 }, args: [...entrypoint, ...cmd], env: [path, ...env], cwd: workingDir || '/' },
    root: { path: 'rootfs' },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
      { destination: '/tmp', type: 'tmpfs', source: 'tmpfs' },
    ],
    linux: { namespaces: [{ type: 'pid' }, { type: 'mount' }] },
  }
}
