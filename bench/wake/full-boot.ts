import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { closeSync, ftruncateSync } from 'node:fs'
import { rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { nodeId, teamId } from '../../runtime/src/core/ids.ts'
import { cachePaths } from '../../runtime/src/core/paths.ts'
import { MIB } from '../../runtime/src/core/units.ts'
import { HostNetwork } from '../../runtime/src/host/network.ts'
import type { StoredImage } from '../../runtime/src/image/store.ts'
import { detectMachine, type Machine } from '../../runtime/src/vm/accelerator.ts'
import { bootArguments } from '../../runtime/src/vm/machine.ts'
import { createMemfd } from '../../runtime/src/vm/memfd.ts'
import { MicroVm } from '../../runtime/src/vm/micro-vm.ts'
import type { User } from './user.ts'

const run = promisify(execFile)
const memoryMib = 256

export interface BootRig {
  dir: string
  machine: Machine
  network: HostNetwork
}

export const openBootRig = async (dir: string): Promise<BootRig> => ({
  dir,
  machine: await detectMachine(),
  network: await HostNetwork.open({ node: nodeId('n-bench'), subnet: '10.126.0.0/16' }),
})

export const closeBootRig = ({ network }: BootRig) => network.close()

/** From QEMU's start to the first byte, without any template: kernel, init, mounts, program, ms. */
export async function bootOnce({ dir, machine, network }: BootRig, image: StoredImage, user: User): Promise<number> {
  const { kernel, initrd } = cachePaths()
  const scratch = join(dir, 'scratch')
  const ram = createMemfd('boot')
  ftruncateSync(ram, memoryMib * MIB)
  await writeFile(scratch, '')
  await truncate(scratch, 1024 * MIB)
  await run('mkfs.ext4', ['-q', '-F', '-O', '^has_journal', scratch])
  const link = await network.attach('boot', teamId('bench'))
  const began = performance.timeOrigin + performance.now()
  const vm = await MicroVm.start({
    dir: join(dir, 'vm'),
    uid: 1_999_998,
    cgroups: [],
    tap: link.tap,
    accelerator: machine.accelerator,
    files: {
      ram: { mode: 'rw', path: `/proc/${process.pid}/fd/${ram}` },
      root: { mode: 'r', path: image.rootPath },
      scratch: { mode: 'rw', path: scratch },
      kernel: { mode: 'r', path: kernel },
      initrd: { mode: 'r', path: initrd },
    },
    args: bootArguments({ ...machine, memoryMib, cpus: 1 }),
  })
  try {
    await vm.guest.waiting(90_000)
    const { config } = image
    const port = config.exposedPorts[0] ?? 8080
    vm.guest.identify({
      hostname: 'boot',
      ip: link.address,
      gw: link.gateway,
      gwmac: link.gatewayMac,
      dns: [],
      entropy: randomBytes(64),
      user: config.user,
      cwd: config.workingDir,
      env: config.env,
      args: [...config.entrypoint, ...config.cmd],
      volumes: config.volumes,
      stopSignal: 15,
      ports: [port],
    })
    const { beganUs, firstByteMs } = await user.getAt(link.address, port)
    return beganUs / 1000 + firstByteMs - began
  } finally {
    await vm.kill()
    await network.detach(link.tap)
    await Promise.all([rm(join(dir, 'vm'), { recursive: true, force: true }), rm(scratch)])
    closeSync(ram)
  }
}
