import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { nodeId, teamId } from '../../runtime/src/core/ids.ts'
import { cachePaths } from '../../runtime/src/core/paths.ts'
import { HostNetwork, type Link } from '../../runtime/src/host/network.ts'
import type { StoredImage } from '../../runtime/src/image/store.ts'
import { TemplateStore } from '../../runtime/src/template/store.ts'
import { detectMachine } from '../../runtime/src/vm/accelerator.ts'
import { restoreArguments } from '../../runtime/src/vm/machine.ts'
import { MicroVm, type VmSpec } from '../../runtime/src/vm/micro-vm.ts'
import { renewVm } from '../../runtime/src/vm/renew.ts'
import { type ResumeTiming, resumeVm } from '../../runtime/src/vm/resume.ts'
import { restoreState } from '../../runtime/src/vm/snapshot.ts'
import { type SuspendedSizes, suspendVm } from '../../runtime/src/vm/suspend.ts'
import type { ImageSecret } from '../../runtime/src/vm/suspended-image.ts'

const run = promisify(execFile)
const startDeadlineMs = 120_000

export type RigImage = Pick<StoredImage, 'digest' | 'rootPath' | 'config'>

/** What of a host agent is needed to run microVMs, to suspend and to resume them, and nothing else of a cloud. */
export interface VmRig extends AsyncDisposable {
  dir: string
  /** A fresh instance that listens on its port. */
  start(name: string, image: RigImage): Promise<RigInstance>
}

export interface RigInstance {
  link: Link
  port: number
  vm: MicroVm
  /** Where it lies when it is suspended, and what with. */
  image: string
  scratch: string
  secret: ImageSecret
  /** Writes it out and ends it. */
  suspend(): Promise<SuspendedSizes>
  /** Makes it again; it is stopped. */
  resume(secret?: ImageSecret): Promise<ResumeTiming>
  /** Moves it into a new process; it is stopped. */
  renew(): Promise<void>
}

export async function openVmRig(options: { node: string; subnet: string; memoryMib: number }): Promise<VmRig> {
  const dir = await mkdtemp(join(tmpdir(), 'littlecloud-rig-'))
  const machine = await detectMachine()
  const { kernel, initrd } = cachePaths()
  const network = await HostNetwork.open({ node: nodeId(options.node), subnet: options.subnet })
  const withTap = <T>(use: (tap: string) => Promise<T>) => network.withTap(use)
  const templates = new TemplateStore(dir, { machine, fingerprint: 'rig', kernel, initrd, withTap, uid: 1_999_997 })
  const key = randomBytes(32)
  const vms = new Set<MicroVm>()
  const end = async (vm: MicroVm) => {
    await vm.kill()
    vms.delete(vm)
  }
  let started = 0
  return {
    dir,
    async start(name, { digest, rootPath, config }) {
      const template = await templates.get({ digest, rootPath, memoryMib: options.memoryMib, cpus: 1 })
      const link = await network.attach(name, teamId('test'))
      const own = join(dir, name)
      const scratch = join(own, 'scratch')
      await mkdir(own, { recursive: true })
      await run('cp', ['--sparse=always', template.scratchPath, scratch])
      const spec: VmSpec = {
        dir: own,
        uid: 1_990_000 + started++,
        cgroups: [],
        tap: link.tap,
        accelerator: machine.accelerator,
        files: { root: { mode: 'r', path: rootPath }, scratch: { mode: 'rw', path: scratch } },
        sealedRam: template.ramPath,
        args: restoreArguments(template.shape),
      }
      const vm = await MicroVm.start(spec)
      vms.add(vm)
      const state = openSync(template.statePath, 'r')
      await restoreState(vm.qmp, state).finally(() => closeSync(state))
      await vm.qmp.execute('cont')
      const port = config.exposedPorts[0] ?? 8080
      await ready(vm, link, config, port)
      const instance: RigInstance = {
        link,
        port,
        vm,
        image: join(own, 'suspended'),
        scratch,
        secret: { key, fits: template.identity },
        async suspend() {
          await instance.vm.qmp.execute('stop')
          const sizes = await suspendVm(instance.vm, { into: instance.image, scratch, ...instance.secret })
          await end(instance.vm)
          await rm(scratch)
          return sizes
        },
        async resume(secret = instance.secret) {
          const resumed = await resumeVm({ from: instance.image, spec, ...secret })
          instance.vm = resumed.vm
          vms.add(resumed.vm)
          return resumed.timing
        },
        async renew() {
          await instance.vm.qmp.execute('stop')
          vms.delete(instance.vm)
          instance.vm = await renewVm(instance.vm, spec)
          vms.add(instance.vm)
        },
      }
      return instance
    },
    async [Symbol.asyncDispose]() {
      for (const vm of vms) await end(vm)
      templates.close()
      await network.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function ready({ guest }: MicroVm, link: Link, config: RigImage['config'], port: number) {
  const listening = Promise.withResolvers<void>()
  const late = () => listening.reject(new Error(`nothing listens on port ${port}`))
  const timer = setTimeout(late, startDeadlineMs)
  guest
    .on('listeners', (open) => open.length > 0 && listening.resolve())
    .on('failed', (why) => listening.reject(new Error(why)))
  guest.identify({
    hostname: 'rig',
    ip: link.address,
    gw: link.gateway,
    gwmac: link.gatewayMac,
    dns: [],
    entropy: randomBytes(64),
    user: config.user,
    cwd: config.workingDir,
    env: [...config.env, 'TOLD=a value that only this instance was told'],
    args: [...config.entrypoint, ...config.cmd],
    volumes: config.volumes,
    stopSignal: 15,
    ports: [port],
  })
  await listening.promise.finally(() => clearTimeout(timer))
}
