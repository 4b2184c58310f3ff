import { Counter, Gauge, type Registry } from 'prom-client'
import { Latency } from './latency.ts'

/** Where the instance of a request came from; `held`: this edge held it already. */
export const tiers = ['held', 'running', 'parked', 'suspended', 'started'] as const
export type Tier = (typeof tiers)[number]

/** What this edge counts. The hot path adds to plain numbers; Prometheus' objects are filled when somebody asks. */
export class Metrics {
  readonly firstByte = new Latency(
    'little_edge_first_byte_ms',
    'From a request to the first byte of its reply, by where its instance came from',
    'from',
    tiers,
  )
  readonly wake = new Latency('little_edge_wake_ms', 'From a request to a slot, for those that waited', 'from', tiers)
  readonly refusals: Counter<'code'>
  readonly tunnelsBroken: Counter<'code'>
  clients = 0
  /** Connections that are passed through as they are: TCP apps' and WebSockets. */
  tunnels = 0
  inFlight = 0
  waiting: () => number = () => 0

  constructor(registry: Registry) {
    this.firstByte.register(registry)
    this.wake.register(registry)
    const registers = [registry]
    this.refusals = new Counter({
      name: 'little_edge_refusals_total',
      help: 'Error replies made by this edge',
      labelNames: ['code'],
      registers,
    })
    this.tunnelsBroken = new Counter({
      name: 'little_edge_tunnels_broken_total',
      help: 'TCP connections and WebSockets that were cut off, by reason: instance.ended, app.crashed, …',
      labelNames: ['code'],
      registers,
    })
    const { clients, inFlight, waiting } = {
      clients: () => this.clients,
      inFlight: () => this.inFlight,
      waiting: () => this.waiting(),
    }
    gauge('little_edge_clients', 'Open client connections', clients, registry)
    gauge('little_edge_tunnels', 'Open connections of TCP apps and WebSockets', () => this.tunnels, registry)
    gauge('little_edge_in_flight', 'Requests being answered', inFlight, registry)
    gauge('little_edge_waiting', 'Requests in waiting rooms', waiting, registry)
  }
}

function gauge(name: string, help: string, value: () => number, registry: Registry): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(value())
    },
  })
}
