// Preloaded into a QEMU that was given a sealed memfd, a template's RAM, and is told that its RAM is shared: such RAM
// stays out of a migration's stream (x-ignore-shared), which makes saving a microVM a matter of ms. The kernel refuses
// to share a sealed memfd for writing; here that mapping becomes private instead: the template's pages, and copies of
// those that this microVM writes. Nothing is allowed by it that was not: any other mapping is made as it was asked for.
//
// A shared object without a libc of its own: the symbols it needs are those of the program it is loaded into.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#undef mmap64

static int sealed(int descriptor) {
  long seals = syscall(SYS_fcntl, descriptor, F_GET_SEALS, 0);
  return seals >= 0 && (seals & F_SEAL_WRITE);
}

void *mmap64(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
  int shared = (flags & MAP_TYPE) == MAP_SHARED || (flags & MAP_TYPE) == MAP_SHARED_VALIDATE;
  if (shared && (protection & PROT_WRITE) && descriptor >= 0 && sealed(descriptor))
    flags = (flags & ~(MAP_TYPE | MAP_SYNC)) | MAP_PRIVATE;
  return (void *)syscall(SYS_mmap, address, length, protection, flags, descriptor, offset);
}

void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
  return mmap64(address, length, protection, flags, descriptor, offset);
}
