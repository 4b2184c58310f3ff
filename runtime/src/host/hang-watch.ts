import { LittleError } from '../core/errors.ts'
import { QmpTimeout } from '../vm/qmp.ts'
import type { Instance } from './instance.ts'

/** So long may requests be under way without a byte of an answer before its QEMU process is asked whether it lives. */
const quietMs = 5_000
/** Some ms are usual. Asked twice: this process itself may have been stopped, and find the first answer too late. */
const answerWithinMs = 5_000
const asksTimes = 2

export class MicroVmHangs extends LittleError {
  readonly code = 'instance.hang'
  readonly status = 502
  readonly hint = 'The app is started anew; if it happens again, little doctor shows how loaded the machine is'
  constructor(id: string) {
    super(`the microVM of instance ${id} hangs: QEMU did not answer within ${answerWithinMs / 1000} s, twice`)
  }
}

type Watched = Pick<Instance, 'id' | 'state' | 'keepers' | 'fail'> & {
  vm: { qmp: Pick<Instance['vm']['qmp'], 'execute'> }
}

/**
 * Finds microVMs that hang while they run: nothing else would notice before their next stop or wake, and their requests
 * would wait for as long as their clients do. Only who has requests and says nothing is asked: what rests, and what
 * answers, costs nothing. A program that takes its time is no hang; that is what its HEALTHCHECK is for.
 */
export class HangWatch {
  readonly #quiet = new WeakMap<Watched, { bytes: number; since: number }>()

  /** To be called each second or so with all instances that there are. */
  look(instances: Iterable<Watched>, now: number): void {
    for (const instance of instances) if (instance.state === 'running') this.#lookAt(instance, now)
  }

  #lookAt(instance: Watched, now: number): void {
    let [inFlight, bytes] = [0, 0]
    for (const { usage } of instance.keepers.values()) {
      inFlight += usage?.inFlight ?? 0
      bytes += usage?.egressBytes ?? 0 // not the requests: those only say that others still come
    }
    const quiet = this.#quiet.get(instance)
    if (inFlight === 0) this.#quiet.delete(instance)
    else if (quiet?.bytes !== bytes) this.#quiet.set(instance, { bytes, since: now })
    else if (now - quiet.since >= quietMs) {
      quiet.since = Number.POSITIVE_INFINITY // until it has answered
      void this.#ask(instance).then((lives) => {
        if (lives) this.#quiet.delete(instance)
        else instance.fail(new MicroVmHangs(instance.id))
      })
    }
  }

  async #ask(instance: Watched): Promise<boolean> {
    for (let time = 0; time < asksTimes; time++) if (await answers(instance)) return true
    return false
  }
}

async function answers(instance: Watched): Promise<boolean> {
  try {
    await instance.vm.qmp.execute('query-status', undefined, answerWithinMs)
    return true
  } catch (error) {
    return !(error instanceof QmpTimeout) // a process that has ended is no hang, and known to be gone
  }
}
