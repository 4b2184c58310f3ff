import type { Registry } from 'prom-client'

/** Upper bounds in ms: dense where a wake is promised to lie (2 and 10 ms). */
export const boundsMs = [
  ...[0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 25, 50, 100, 250, 500],
  ...[1_000, 2_500, 5_000, 10_000, 30_000, 120_000],
]

/** How many values lie in which range. */
export class Buckets {
  readonly counts = new Float64Array(boundsMs.length + 1)
  sumMs = 0
  total = 0

  add(valueMs: number): void {
    let at = 0
    while (at < boundsMs.length && valueMs > (boundsMs[at] as number)) at++
    this.counts[at] = (this.counts[at] as number) + 1
    this.sumMs += valueMs
    this.total++
  }
}

/**
 * A Prometheus histogram, in seconds, with one label whose values are known. prom-client's own hashes labels at each
 * observation, which at 20,000 requests/s is several per cent of a core; this one adds to an array.
 */
export class Latency<Label extends string> {
  readonly of: Record<Label, Buckets>
  readonly #name: string
  readonly #help: string
  readonly #label: string

  constructor(name: string, help: string, label: string, values: readonly Label[]) {
    this.#name = name
    this.#help = help
    this.#label = label
    this.of = Object.fromEntries(values.map((value) => [value, new Buckets()])) as Record<Label, Buckets>
  }

  register(registry: Registry): void {
    const [name, help, labelNames] = [this.#name, this.#help, [this.#label]]
    const metric = { name, help, type: 'histogram', labelNames, get: () => this.#collect(), reset: () => {} }
    registry.registerMetric(metric as unknown as Parameters<Registry['registerMetric']>[0])
  }

  #collect() {
    const values: { metricName: string; labels: Record<string, string | number>; value: number }[] = []
    for (const [label, buckets] of Object.entries<Buckets>(this.of)) {
      const labels = { [this.#label]: label }
      let below = 0
      boundsMs.forEach((bound, at) => {
        below += buckets.counts[at] as number
        values.push({ metricName: `${this.#name}_bucket`, labels: { ...labels, le: bound / 1000 }, value: below })
      })
      values.push({ metricName: `${this.#name}_bucket`, labels: { ...labels, le: '+Inf' }, value: buckets.total })
      values.push({ metricName: `${this.#name}_sum`, labels, value: buckets.sumMs / 1000 })
      values.push({ metricName: `${this.#name}_count`, labels, value: buckets.total })
    }
    return { name: this.#name, help: this.#help, type: 'histogram', aggregator: 'sum', values }
  }
}
