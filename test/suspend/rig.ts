import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type ImageDigest, nodeId, teamId } from '../../runtime/src/core/ids.ts'
import { cachePaths } from '../../runtime/src/core/paths.ts'
import { HostNetwork, type Link } from '../../runtime/src/host/network.ts'
import { TemplateStore } from '../../runtime/src/template/store.ts'
import { detectMachine } from '../../runtime/src/vm/accelerator.ts'
import { restoreArguments } from '../../runtime/src/vm/machine.ts'
import { MicroVm, type VmSpec } from '../../runtime/src/vm/micro-vm.ts'
import { resumeVm } from '../../runtime/src/vm/resume.ts'
import { restoreState } from '../../runtime/src/vm/snapshot.ts'
import { type SuspendedSizes, suspendVm } from '../../runtime/src/vm/suspend.ts'
import type { ImageSecret } from '../../runtime/src/vm/suspended-image.ts'

const run = promisify(execFile)
const memoryMib = 128
const startDeadlineMs = 60_000

/** Everything below a host agent that a microVM needs: network, templates, an image with the keeper in it. */
export interface Rig extends AsyncDisposable {
  dir: string
  /** What suspended images of this rig are made with. */
  secret: ImageSecret
  /** A fresh instance whose keeper answers. */
  start(name: string): Promise<Kept>
  /** Writes it out and ends it. */
  suspend(kept: Kept): Promise<SuspendedSizes>
  /** Makes it again and lets it run. */
  resume(kept: Kept, secret?: ImageSecret): Promise<void>
}

export interface Kept {
  link: Link
  spec: VmSpec
  vm: MicroVm
  image: string
}

/** To be run in a network namespace of its own. */
export async function openRig(): Promise<Rig> {
  const dir = await mkdtemp(join(tmpdir(), 'littlecloud-suspend-'))
  const machine = await detectMachine()
  const { kernel, initrd } = cachePaths()
  const network = await HostNetwork.open({ node: nodeId('n-suspend'), subnet: '10.77.0.0/16' })
  const withTap = <T>(use: (tap: string) => Promise<T>) => network.withTap(use)
  const templates = new TemplateStore(dir, { machine, fingerprint: 'test', kernel, initrd, withTap, uid: 1_999_997 })
  const vms = new Set<MicroVm>()
  const end = async (vm: MicroVm) => {
    await vm.kill()
    await vm.process.gone()
    vms.delete(vm)
  }
  let started = 0
  const rootPath = await keeperImage(dir)
  const template = await templates.get({ digest: 'sha256:keeper' as ImageDigest, rootPath, memoryMib, cpus: 1 })
  const secret = { key: randomBytes(32), fits: template.identity }
  return {
    dir,
    secret,
    async start(name) {
      const { scratchPath, statePath, ramPath, shape } = template
      const link = await network.attach(name, teamId('test'))
      const own = join(dir, name)
      await mkdir(own, { recursive: true })
      const scratch = join(own, 'scratch')
      await run('cp', ['--sparse=always', scratchPath, scratch])
      const spec: VmSpec = {
        dir: own,
        uid: 1_990_000 + started++,
        cgroups: [],
        tap: link.tap,
        accelerator: machine.accelerator,
        files: { root: { mode: 'r', path: rootPath }, scratch: { mode: 'rw', path: scratch } },
        sealedRam: ramPath,
        args: restoreArguments(shape),
      }
      const vm = await MicroVm.start(spec)
      vms.add(vm)
      const state = openSync(statePath, 'r')
      await restoreState(vm.qmp, state).finally(() => closeSync(state))
      await vm.qmp.execute('cont')
      await ready(vm, link)
      return { link, spec, vm, image: join(own, 'suspended') }
    },
    async suspend({ vm, spec, image }) {
      await vm.qmp.execute('stop')
      const sizes = await suspendVm(vm, { into: image, scratch: spec.files.scratch!.path, ...secret })
      await end(vm)
      await rm(spec.files.scratch!.path)
      return sizes
    },
    async resume(kept, other = secret) {
      const { vm } = await resumeVm({ from: kept.image, spec: kept.spec, ...other })
      vms.add(vm)
      kept.vm = vm
      await vm.qmp.execute('cont')
      await vm.guest.setClock(startDeadlineMs)
    },
    async [Symbol.asyncDispose]() {
      for (const vm of vms) await end(vm)
      templates.close()
      await network.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function ready({ guest }: MicroVm, link: Link) {
  const listening = Promise.withResolvers<void>()
  const timer = setTimeout(() => listening.reject(new Error('the keeper does not listen')), startDeadlineMs)
  guest
    .on('listeners', (open) => open.length > 0 && listening.resolve())
    .on('failed', (why) => listening.reject(new Error(why)))
  guest.identify({
    hostname: 'keeper',
    ip: link.address,
    gw: link.gateway,
    gwmac: link.gatewayMac,
    dns: [],
    entropy: randomBytes(64),
    user: '',
    cwd: '',
    env: ['TOLD=a value that only this instance was told'],
    args: ['/keeper'],
    volumes: [],
    stopSignal: 15,
    ports: [8080],
  })
  await listening.promise.finally(() => clearTimeout(timer))
}

async function keeperImage(dir: string): Promise<string> {
  const root = join(dir, 'image')
  await mkdir(root)
  await run('musl-gcc', [
    '-static',
    '-O2',
    '-Wall',
    '-Werror',
    '-o',
    join(root, 'keeper'),
    join(import.meta.dirname, 'keeper.c'),
  ])
  await run('mkfs.erofs', [join(dir, 'root'), root])
  return join(dir, 'root')
}
