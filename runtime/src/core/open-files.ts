import koffi from 'koffi'

const RLIMIT_NOFILE = 7
/** Each TCP client of a sleeping app takes two. It is what the kernel allows a process at most, if nobody changed that. */
const wanted = 1_048_576

/**
 * Lets this process open as many files and connections as the machine allows: only root may go beyond the limit it was
 * started with. Returns how many that are. (Node itself has gone up to that limit already.)
 */
export function raiseOpenFiles(): number {
  const libc = koffi.load('libc.so.6')
  const read = libc.func('int getrlimit(int resource, _Out_ uint64_t *limit)')
  const write = libc.func('int setrlimit(int resource, _In_ uint64_t *limit)')
  const limit = [0, 0]
  write(RLIMIT_NOFILE, [wanted, wanted])
  read(RLIMIT_NOFILE, limit)
  return Number(limit[0])
}
