/** The q-th quantile (0 … 1) by the nearest rank; NaN of nothing. Three decimals are below what is measured. */
export function quantile(values: number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const index = Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))
  return round(sorted[index] ?? Number.NaN)
}

export const round = (value: number) => Math.round(value * 1000) / 1000

export const percentiles = (values: number[]) => ({ p50: quantile(values, 0.5), p99: quantile(values, 0.99) })
