import koffi from 'koffi'

const SCHED_OTHER = 0
const SCHED_RR = 2
/** Whatever this thread starts begins at normal priority again. */
const SCHED_RESET_ON_FORK = 0x40000000
const hotThreadPriority = 5

let setScheduler: ((pid: number, policy: number, priority: [number]) => number) | undefined

/** The main thread's id is the process id; all other threads (garbage collection, file I/O) stay as they are. */
function setOwnMainThread(policy: number, priority: number): boolean {
  setScheduler ??= koffi.load('libc.so.6').func('int sched_setscheduler(int pid, int policy, _In_ int *priority)')
  return setScheduler?.(process.pid, policy | SCHED_RESET_ON_FORK, [priority]) === 0
}

/**
 * Gives the main thread of this process real-time priority, for processes in the path of a request: their own work is
 * short, and 8 busy neighbours make it 20 times slower without. False where the machine refuses it.
 */
export const raiseOwnMainThread = (): boolean => setOwnMainThread(SCHED_RR, hotThreadPriority)

/** Back to the same share as everybody. */
export const lowerOwnMainThread = (): boolean => setOwnMainThread(SCHED_OTHER, 0)
