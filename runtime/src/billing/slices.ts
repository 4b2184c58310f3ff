import type { UsageRecord } from '../model/usage.ts'

const usPerHour = 3_600_000_000

/** The part of a record that lies in one hour (UTC). */
export interface Slice {
  /** Hours since the epoch. */
  hour: number
  runUs: number
  egressBytes: number
  requests: number
}

/** A record cut at full hours; bytes and requests, whose moment nobody knows, count in its last hour. */
export function slices({ startUs, endUs, egressBytes, requests }: UsageRecord): Slice[] {
  const last = Math.floor(Math.max(startUs, endUs - 1) / usPerHour)
  const found: Slice[] = []
  for (let hour = Math.floor(startUs / usPerHour); hour <= last; hour++) {
    const from = Math.max(startUs, hour * usPerHour)
    const to = Math.min(endUs, (hour + 1) * usPerHour)
    const isLast = hour === last
    found.push({ hour, runUs: to - from, egressBytes: isLast ? egressBytes : 0, requests: isLast ? requests : 0 })
  }
  return found
}
