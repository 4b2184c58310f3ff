import { Counter, type Registry } from 'prom-client'
import { staleSeconds } from '../cluster/follow.ts'
import { counters, gauge } from '../core/figures.ts'
import { Latency } from '../core/latency.ts'
import { Traffic } from './traffic.ts'

/** Where the instance of a request came from; `held`: this edge held it already. */
export const tiers = ['held', 'running', 'parked', 'suspended', 'started'] as const
export type Tier = (typeof tiers)[number]

/** What this edge counts. The hot path adds to plain numbers; Prometheus' objects are filled when somebody asks. */
export class Metrics {
  readonly firstByte = new Latency(
    'little_edge_first_byte_seconds',
    'From a request to the first byte of its reply, by where its instance came from',
    'from',
    tiers,
  )
  readonly wake = new Latency(
    'little_edge_wake_seconds',
    'From a request to a slot of an instance, for those that waited for one',
    'from',
    tiers,
  )
  readonly traffic = new Traffic()
  readonly refusals: Counter<'code'>
  readonly tunnelsBroken: Counter<'code'>
  clients = 0
  /** Connections that are passed through as they are: TCP apps' and WebSockets. */
  tunnels = 0
  inFlight = 0
  waiting: () => number = () => 0
  /** Since when changes of the desired state may be missing; undefined: none are. */
  staleSince: () => number | undefined = () => undefined

  constructor(registry: Registry) {
    this.firstByte.register(registry)
    this.wake.register(registry)
    this.refusals = new Counter({
      name: 'little_edge_refusals_total',
      help: 'Error replies made by this edge, by the code of docs/errors.md',
      labelNames: ['code'],
      registers: [registry],
    })
    this.tunnelsBroken = new Counter({
      name: 'little_edge_tunnels_broken_total',
      help: 'TCP connections and WebSockets that were cut off, by the code of docs/errors.md',
      labelNames: ['code'],
      registers: [registry],
    })
    gauge(registry, 'little_edge_clients', 'Open client connections', () => this.clients)
    gauge(registry, 'little_edge_tunnels', 'Open connections of TCP apps and WebSockets', () => this.tunnels)
    gauge(registry, 'little_edge_in_flight', 'Requests being answered', () => this.inFlight)
    gauge(registry, 'little_edge_waiting', 'Requests in waiting rooms', () => this.waiting())
    gauge(registry, 'little_edge_stale_seconds', 'For how long this edge has gone on from its last known state', () =>
      staleSeconds(this.staleSince()),
    )
    const help = (what: string) => `${what}, by team/app; apps beyond the first 1,000 are counted as 'other'`
    counters(registry, 'little_app_requests_total', help('Replies begun'), 'app', () => this.traffic.by('requests'))
    counters(registry, 'little_app_wakes_total', help('Requests that woke or started an instance'), 'app', () =>
      this.traffic.by('wakes'),
    )
  }
}
