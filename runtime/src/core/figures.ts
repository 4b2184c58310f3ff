import { Counter, Gauge, type Registry } from 'prom-client'

/** A figure by the values of its one label. */
export type Figures = Iterable<readonly [label: string, value: number]>

/** A gauge that is looked at when somebody asks. */
export function gauge(registry: Registry, name: string, help: string, value: () => number | undefined): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset()
      const now = value()
      if (now === undefined) this.remove()
      else this.set(now)
    },
  })
}

/** As `gauge`, with one label. */
export function gauges(registry: Registry, name: string, help: string, label: string, values: () => Figures): void {
  new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset()
      for (const [key, value] of values()) this.set({ [label]: key }, value)
    },
  })
}

/** A number that something else counts, and that only grows. */
export function counter(registry: Registry, name: string, help: string, value: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset()
      this.inc(value())
    },
  })
}

/** As `counter`, with one label. */
export function counters(registry: Registry, name: string, help: string, label: string, values: () => Figures): void {
  new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset()
      for (const [key, value] of values()) this.inc({ [label]: key }, value)
    },
  })
}
