import koffi from 'koffi'

/** RAM of a template lives in a sealed memfd: QEMU wants to open it for writing, and the seal lets nobody write. */
const libc = koffi.load('libc.so.6')
const memfdCreate = libc.func('int memfd_create(const char *name, unsigned int flags)')
const fcntl = libc.func('int fcntl(int fd, int command, int argument)')

const MFD_CLOEXEC = 1
const MFD_ALLOW_SEALING = 2
const F_ADD_SEALS = 1033
const F_SEAL_SEAL = 1
const F_SEAL_SHRINK = 2
const F_SEAL_GROW = 4
const F_SEAL_WRITE = 8

/** An empty memfd; the caller closes it. */
export function createMemfd(name: string): number {
  const fd = memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)
  if (fd < 0) throw new Error('memfd_create failed')
  return fd
}

/** Nobody can change the memory any more; fails while it is mapped for writing anywhere. */
export function sealMemfd(fd: number) {
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0) {
    throw new Error('the memory could not be sealed: it is still mapped for writing')
  }
}
