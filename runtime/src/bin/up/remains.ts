import { setTimeout as delay } from 'node:timers/promises'
import { LittleError } from '../../core/errors.ts'
import { readRunFiles, removeRunFile } from '../../core/run-files.ts'
import { alive } from '../../vm/process.ts'

export class AlreadyUp extends LittleError {
  readonly code = 'up.already_running'
  readonly status = 409
  readonly hint = 'Use it as it is (little status), or end it first: little down'
  constructor(pid: number) {
    super(`a cloud is running on this machine already (process ${pid})`)
  }
}

export function refuseIfRunning(data: string) {
  const up = readRunFiles(data).find(({ role }) => role === 'up')
  if (up && up.pid !== process.pid && alive(up.pid, up.startTime)) throw new AlreadyUp(up.pid)
}

/** Ends roles that outlived their supervisor. The microVMs stay: the new host agent takes them over. */
export async function endRemains(data: string) {
  for (const { role, pid, startTime } of readRunFiles(data)) {
    if (role !== 'up' && alive(pid, startTime)) {
      process.kill(pid, 'SIGKILL')
      while (alive(pid, startTime)) await delay(10)
    }
    removeRunFile(data, role)
  }
}
