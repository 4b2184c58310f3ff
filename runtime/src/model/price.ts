/** What things cost; all in micro-credits. A credit's worth in money is the network's parameter. */
export interface Prices {
  perVcpuHour: bigint
  perGibHour: bigint
  /** Per 10^9 bytes, as clouds count it. */
  perEgressGb: bigint
}

/** The owner of a cloud may set others; these stand for roughly 0.02, 0.0025 and 0.01 credits. */
export const defaultPrices: Prices = { perVcpuHour: 20_000n, perGibHour: 2_500n, perEgressGb: 10_000n }

/** What was used; sums of any number of records. */
export interface Used {
  vcpuUs: bigint
  mibUs: bigint
  egressBytes: bigint
}

const usPerHour = 3_600_000_000n
const mibPerGib = 1_024n
const bytesPerGb = 1_000_000_000n

/**
 * The price in micro-credits. Everything is added up exactly and rounded once, down, so a sum of many short runs costs
 * what one long run of the same length does. Hence rows are never added: a total is priced as a whole, and may be a few
 * micro-credits above the sum of its rows.
 */
export function priceOf({ vcpuUs, mibUs, egressBytes }: Used, prices: Prices = defaultPrices): bigint {
  const computeUnits = vcpuUs * prices.perVcpuHour * mibPerGib + mibUs * prices.perGibHour
  const numerator = computeUnits * bytesPerGb + egressBytes * prices.perEgressGb * usPerHour * mibPerGib
  return numerator / (usPerHour * mibPerGib * bytesPerGb)
}
