import koffi from 'koffi'

const SCHED_RR = 2
/** Whatever this thread starts begins at normal priority again. */
const SCHED_RESET_ON_FORK = 0x40000000
const hotThreadPriority = 5

/**
 * Gives the main thread of this process real-time priority, for processes in the path of a request: their own work is
 * short, and 8 busy neighbours make it 20 times slower without. False where the machine refuses it.
 */
export function raiseOwnMainThread(): boolean {
  const setScheduler = koffi.load('libc.so.6').func('int sched_setscheduler(int pid, int policy, _In_ int *priority)')
  // the main thread's id is the process id; all other threads (garbage collection, file I/O) stay as they are
  return setScheduler(process.pid, SCHED_RR | SCHED_RESET_ON_FORK, [hotThreadPriority]) === 0
}
