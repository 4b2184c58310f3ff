import type { CostRow } from '../types.ts'
import type { UsageProblem } from './chain.ts'
import type { UsageRecord } from './record.ts'

/** Integers as text, in micro-credits. */
export interface UsagePrices {
  perVcpuHour: string
  perGibHour: string
  perEgressGb: string
}

const usPerHour = 3_600_000_000

interface Sum {
  runUs: bigint
  vcpuUs: bigint
  mibUs: bigint
  egressBytes: bigint
  requests: bigint
}

/** What records add up to, by team, app and kind, within whole hours (UTC). */
export class UsageSums {
  readonly #sums = new Map<string, Sum>()
  readonly #fromUs: number
  readonly #toUs: number

  /** Hours since the epoch, both counted. */
  constructor({ fromHour, toHour }: { fromHour: number; toHour: number }) {
    this.#fromUs = fromHour * usPerHour
    this.#toUs = (toHour + 1) * usPerHour
  }

  /** Bytes and requests, whose moment nobody knows, count in the last hour that a record touches. */
  add({ team, app, kind, startUs, endUs, vcpus, memoryMib, egressBytes, requests }: UsageRecord): void {
    const lastUs = Math.max(startUs, endUs - 1)
    if (startUs >= this.#toUs || lastUs < this.#fromUs) return
    const runUs = BigInt(Math.min(endUs, this.#toUs) - Math.max(startUs, this.#fromUs))
    const endsWithin = lastUs < this.#toUs
    const sum = this.#of(team, app, kind)
    sum.runUs += runUs
    sum.vcpuUs += runUs * BigInt(vcpus)
    sum.mibUs += runUs * BigInt(memoryMib)
    if (!endsWithin) return
    sum.egressBytes += BigInt(egressBytes)
    sum.requests += BigInt(requests)
  }

  /** Compares with what is charged; returns how many rows agree. */
  compare(rows: CostRow[], prices: UsagePrices, tell: (problem: UsageProblem) => void): number {
    const charged = new Set<string>()
    let equal = 0
    for (const row of rows) {
      const name = nameOf(row.team, row.app ?? '', row.kind)
      charged.add(name)
      const sum = this.#of(row.team, row.app ?? '', row.kind)
      const differences = [
        ...differs('ms of running', Number(sum.runUs) / 1000, row.runMs),
        ...differs('vCPU·ms', Number(sum.vcpuUs) / 1000, row.vcpuMs),
        ...differs('MiB·ms', Number(sum.mibUs) / 1000, row.mibMs),
        ...differs('bytes', Number(sum.egressBytes), row.egressBytes),
        ...differs('requests', Number(sum.requests), row.requests),
        ...differs('micro-credits', String(row.kind === 'prepare' ? 0n : price(sum, prices)), row.microcredits),
      ]
      if (differences.length === 0) equal += 1
      else tell({ kind: 'sum', message: `${name}: ${differences.join(', ')}` })
    }
    for (const name of this.#sums.keys()) {
      if (!charged.has(name)) tell({ kind: 'sum', message: `${name}: there are records, and little cost has no line` })
    }
    return equal
  }

  #of(team: string, app: string, kind: string): Sum {
    const name = nameOf(team, app, kind)
    const sum = this.#sums.get(name) ?? { runUs: 0n, vcpuUs: 0n, mibUs: 0n, egressBytes: 0n, requests: 0n }
    this.#sums.set(name, sum)
    return sum
  }
}

const nameOf = (team: string, app: string, kind: string) => `${team}/${app} (${kind})`

const differs = <T>(unit: string, counted: T, charged: T) =>
  counted === charged ? [] : [`${counted} ${unit} by the records, ${charged} by little cost`]

/** Added up exactly and rounded once, down. */
function price({ vcpuUs, mibUs, egressBytes }: Sum, prices: UsagePrices): bigint {
  const mibPerGib = 1_024n
  const bytesPerGb = 1_000_000_000n
  const hour = BigInt(usPerHour)
  const compute = vcpuUs * BigInt(prices.perVcpuHour) * mibPerGib + mibUs * BigInt(prices.perGibHour)
  const numerator = compute * bytesPerGb + egressBytes * BigInt(prices.perEgressGb) * hour * mibPerGib
  return numerator / (hour * mibPerGib * bytesPerGb)
}
