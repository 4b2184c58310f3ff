import type { Fleet } from './fleet.ts'
import type { LogShipper } from './log-shipper.ts'
import type { HostNetwork } from './network.ts'

/** Writes into an app's log how many packets of each of its instances were refused since it was called last. */
export class Refusals {
  #counted: ReadonlyMap<string, number> = new Map()

  async tell(
    network: Pick<HostNetwork, 'refusals'>,
    { instances }: Pick<Fleet, 'instances'>,
    logs: Pick<LogShipper, 'source'>,
  ) {
    const counted = await network.refusals()
    for (const { record } of instances) {
      const [before, now] = [this.#counted, counted].map((counts) => counts.get(record.address) ?? 0) as [
        number,
        number,
      ]
      // Less than before: somebody flushed the rules meanwhile, and they count anew.
      const fresh = now >= before ? now - before : now
      if (fresh === 0) continue
      const { team, app, release, id: instance } = record
      logs.source({ team, app, release, instance }).system(`${fresh} packets were refused: ${reason}`)
    }
    this.#counted = counted
  }
}

const reason = 'an app reaches the internet, as far as its --egress allows it, and nothing else'
