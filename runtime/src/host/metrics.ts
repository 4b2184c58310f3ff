import { Counter, Gauge, type Registry } from 'prom-client'
import { staleSeconds } from '../cluster/follow.ts'
import { errorFields } from '../core/errors.ts'
import { counter, counters, gauge, gauges } from '../core/figures.ts'
import { Latency } from '../core/latency.ts'
import { MIB } from '../core/units.ts'
import type { Boost } from './boost.ts'
import type { Fleet } from './fleet.ts'
import type { LogShipper } from './log-shipper.ts'
import type { Meter } from './meter.ts'
import { ownMemory } from './own-memory.ts'

export interface HostFigures {
  fleet: Pick<Fleet, 'instances' | 'on'>
  meter: Pick<Meter, 'progress' | 'damage'>
  logs: Pick<LogShipper, 'counted' | 'queuedBytes' | 'droppedLines'>
  boost: Pick<Boost, 'raised'> | undefined
  /** As cluster/follow.ts tells it. */
  staleSince: () => number | undefined
}

/** What a host agent counts and knows, for Prometheus; nothing is done for it on the path of a wake but an addition. */
export function registerHostMetrics(registry: Registry, { fleet, meter, logs, boost, staleSince }: HostFigures): void {
  wakesAndStarts(registry, fleet)
  instances(registry, fleet)
  gauge(registry, 'little_host_usage_spooled_records', 'Usage records that no stream has acknowledged yet', () => {
    const { closed, acknowledged } = meter.progress
    return closed - acknowledged
  })
  counter(registry, 'little_host_usage_records_total', 'Usage records of this node, ever', () => meter.progress.closed)
  gauges(registry, 'little_host_usage_damaged', 'What was found damaged when the agent started', 'what', () =>
    Object.entries(meter.damage),
  )
  counter(registry, 'little_host_log_lines_total', 'Lines taken in from instances', () => logs.counted.lines)
  counter(registry, 'little_host_log_dropped_lines_total', 'Lines of apps that wrote too much', () => logs.droppedLines)
  gauge(registry, 'little_host_log_queued_bytes', 'Log lines that are not stored yet', () => logs.queuedBytes)
  gauge(registry, 'little_host_boost_available', '1 if wakes get real-time priority', () => (boost ? 1 : 0))
  counter(
    registry,
    'little_host_boosts_total',
    'Wakes for which real-time priority was asked',
    () => boost?.raised ?? 0,
  )
  gauge(registry, 'little_host_stale_seconds', 'For how long the agent has gone on from its last known state', () =>
    staleSeconds(staleSince()),
  )
}

function wakesAndStarts(registry: Registry, fleet: HostFigures['fleet']): void {
  const wakes = new Latency(
    'little_host_wake_seconds',
    "From the first who asks for an instance to its guest's clock being set",
    'from',
    ['running', 'parked', 'suspended', 'started'],
  )
  wakes.register(registry)
  const starts = new Latency(
    'little_host_start_seconds',
    'From a start to an instance asleep, or to its failure',
    'end',
    ['ready', 'failed'],
  )
  starts.register(registry)
  const broken = new Counter({
    name: 'little_host_broken_instances_total',
    help: 'Instances that broke, by the code of docs/errors.md',
    labelNames: ['code'],
    registers: [registry],
  })
  let demoted = 0
  counters(registry, 'little_host_demotions_total', 'Instances that gave up memory for others', 'to', () => [
    ['suspended', demoted],
  ])
  fleet.on('woke', ({ from, totalMs }) => wakes.of[from].add(totalMs))
  fleet.on('startEnded', (tookMs, error) => starts.of[error ? 'failed' : 'ready'].add(tookMs))
  fleet.on('gone', (_, error) => broken.inc({ code: errorFields(error).code }))
  fleet.on('moved', ({ state }) => {
    if (state === 'suspended') demoted++
  })
}

function instances(registry: Registry, fleet: HostFigures['fleet']): void {
  const byState = (value: (instance: Fleet['instances'][number]) => number) => {
    const sums = new Map<string, number>()
    for (const instance of fleet.instances) sums.set(instance.state, (sums.get(instance.state) ?? 0) + value(instance))
    return sums
  }
  gauges(registry, 'little_host_instances', 'Instances, by state', 'state', () => byState(() => 1))
  gauges(registry, 'little_host_guest_memory_bytes', 'What their guests may use at the most, by state', 'state', () =>
    byState(({ record }) => record.memoryMib * MIB),
  )
  new Gauge({
    name: 'little_host_own_memory_bytes',
    help: 'Memory that instances share with nobody, by state',
    labelNames: ['state'],
    registers: [registry],
    async collect() {
      this.reset()
      for (const [state, bytes] of await ownMemory(fleet.instances)) this.set({ state }, bytes)
    },
  })
}
