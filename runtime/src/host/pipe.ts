import koffi from 'koffi'

const libc = koffi.load('libc.so.6')
const pipe2 = libc.func('int pipe2(_Out_ int *ends, int flags)')

const O_NONBLOCK = 0o4000
const O_CLOEXEC = 0o2000000

/** A pipe whose ends are plain descriptors, which never block: Node's own are streams, and allocate on each write. */
export function makePipe(): { read: number; write: number } {
  const ends = [0, 0]
  if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) throw new Error('pipe2 failed')
  return { read: ends[0]!, write: ends[1]! }
}
