import { join } from 'node:path'

/** Where things lie. The cache holds what was downloaded or built and may be shared; the data folder is one cloud's state. */
export const cacheDir = () => process.env.LITTLE_CACHE ?? '/var/cache/littlecloud'
export const dataDir = () => process.env.LITTLE_DATA ?? '/var/lib/littlecloud'

export const cachePaths = (cache = cacheDir()) => ({
  kernel: join(cache, 'kernel/vmlinuz'),
  /** Kernel modules in the order of loading are named by guest/modules.list; they are inside the initrd. */
  initrd: join(cache, 'guest/initrd'),
  natsServer: join(cache, 'nats/nats-server'),
  /** Read-only root with /qemu and the libraries it needs, the only files a microVM's process sees. */
  jailRoot: join(cache, 'jail/root'),
  jailLaunch: join(cache, 'jail/launch'),
  jailBoost: join(cache, 'jail/boost'),
  /** What was found out about this machine: accelerator, TSC rate; see vm/accelerator.ts. */
  machine: join(cache, 'machine.json'),
})
