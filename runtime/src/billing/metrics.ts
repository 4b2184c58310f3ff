import { Gauge, type Registry } from 'prom-client'
import { counter, gauge, gauges } from '../core/figures.ts'
import type { ChainReport, Intake } from './intake.ts'

/** What billing knows of the usage it has read. Nodes are few, so each has its own line. */
export function registerBillingMetrics(
  registry: Registry,
  intake: Pick<Intake, 'report' | 'position' | 'waiting'>,
  newest: () => Promise<number>,
): void {
  const ofChains = (name: string, help: string, value: (chain: ChainReport) => number) =>
    gauges(registry, name, help, 'node', () => intake.report().map((chain) => [chain.node, value(chain)] as const))
  ofChains('little_billing_sequence', 'The number of the newest record that was counted', ({ sequence }) => sequence)
  ofChains('little_billing_missing_records', 'Numbers that never came', ({ missing }) => missing)
  ofChains('little_billing_broken_records', 'Records that do not continue the chain', ({ broken }) => broken)
  ofChains('little_billing_refused_records', 'Records not signed by their node', ({ refused }) => refused)
  ofChains('little_billing_repeated_records', 'Records that came again, which is harmless', ({ repeated }) => repeated)
  gauge(registry, 'little_billing_waiting_messages', 'Messages of nodes whose key is not known', () => intake.waiting)
  counter(
    registry,
    'little_billing_messages_total',
    'Messages of the usage stream that were read',
    () => intake.position,
  )
  new Gauge({
    name: 'little_billing_lag_messages',
    help: 'Messages of the usage stream that are not read yet; absent while NATS is away',
    registers: [registry],
    async collect() {
      this.remove()
      const last = await newest().catch(() => undefined)
      if (last !== undefined) this.set(Math.max(0, last - intake.position))
    },
  })
}
