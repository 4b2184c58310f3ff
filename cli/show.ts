/** Facts as people read them. */
export function age(at: number, now = Date.now()): string {
  const ms = Math.max(0, now - at)
  return ms < 120_000 ? `${Math.floor(ms / 1_000)} s` : duration(ms)
}

export const ago = (at: number, now?: number) => `${age(at, now)} ago`

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`
  return `${Math.round(ms / 86_400_000)} days`
}

export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let value = count
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** Integer micro-credits, as text, in credits: nothing is rounded. */
export function credits(micro: string): string {
  const negative = micro.startsWith('-')
  const digits = (negative ? micro.slice(1) : micro).padStart(7, '0')
  return `${negative ? '-' : ''}${digits.slice(0, -6)}.${digits.slice(-6)}`
}
