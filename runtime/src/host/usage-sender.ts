import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster } from '../cluster/connect.ts'
import { publish } from '../cluster/stream.ts'
import { subjects } from '../cluster/subjects.ts'
import type { NodeId } from '../core/ids.ts'
import type { Meter } from './meter.ts'

/** Some 0.7 kB each. NATS would take 1,000; reading that many at once would hold up the agent for some ms. */
const recordsPerMessage = 200
const everyMs = 1_000

/**
 * Carries closed intervals to the USAGE stream: one message per node and second, more only to catch up. A record leaves
 * the spool after its acknowledgement; one that is sent twice is recognized by (node, sequence).
 */
export class UsageSender implements AsyncDisposable {
  readonly #meter: Meter
  readonly #cluster: Cluster
  readonly #node: NodeId
  readonly #stopping = new AbortController()
  readonly #loop: Promise<void>
  #wasFull = false

  constructor({ meter, cluster, node }: { meter: Meter; cluster: Cluster; node: NodeId }) {
    this.#meter = meter
    this.#cluster = cluster
    this.#node = node
    this.#loop = this.#sendForEver()
  }

  /** Tries once more to send the rest, for at most 2 s; what could not be sent stays in the spool. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#loop
    if (this.#cluster.now) await this.#send(2_000).catch(() => {})
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #sendForEver(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        if (this.#cluster.now && (await this.#send(10_000)) === recordsPerMessage) continue
      } catch (error) {
        this.#cluster.log?.warn({ error: String(error) }, 'usage records are kept and sent later')
      }
      await delay(everyMs, undefined, { signal }).catch(() => {})
    }
  }

  #tellOfFullDisk(): void {
    const isFull = this.#meter.unspooled > 0
    if (isFull !== this.#wasFull)
      this.#cluster.log?.error(
        { waiting: this.#meter.unspooled },
        isFull ? 'the disk is full: usage waits' : 'usage is written again',
      )
    this.#wasFull = isFull
  }

  async #send(deadlineMs: number): Promise<number> {
    const records = await this.#meter.nextRecords(recordsPerMessage)
    this.#tellOfFullDisk()
    const [first, last] = [records[0], records.at(-1)]
    if (!first || !last) return 0
    const messageId = `${this.#node}-${first.sequence}-${last.sequence}`
    await publish(this.#cluster, subjects.usage(this.#node), records, { messageId, deadlineMs })
    await this.#meter.acknowledge(records)
    return records.length
  }
}
