import { InvalidArgumentError } from 'commander'

/** Readers of flags' values. What they refuse names the allowed range; the cloud checks again. */
export function wholeNumber(min: number, max: number, unit = '') {
  return (text: string): number => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) refuse(`It must be a whole number from ${min} to ${max}${unit && ` ${unit}`}.`)
    return value
  }
}

/** `256`, `256M`, `256MiB`, `1G`, `1GiB` as MiB. */
export function mebibytes(min: number, max: number) {
  return (text: string): number => {
    const match = /^(\d+)\s*(?:(m|mi|mib|g|gi|gib))?$/i.exec(text)
    const value = match ? Number(match[1]) * (match[2]?.toLowerCase().startsWith('g') ? 1024 : 1) : Number.NaN
    if (!(value >= min && value <= max)) refuse(`It must be from ${min} to ${max} MiB, such as 256 or 1G.`)
    return value
  }
}

/** What of a deploy `-p` says. */
export interface Port {
  port: number
  protocol: 'http' | 'tcp'
  hostPort?: number
}

/** `PORT[/http]`, `[HOSTPORT:]PORT/tcp` */
export function port(text: string): Port {
  const match = /^(?:(\d+):)?(\d+)(?:\/([a-z]+))?$/.exec(text)
  const [host, own, protocol] = [match?.[1], match?.[2] ?? '', match?.[3] ?? 'http']
  if (protocol === 'tls') refuse('TLS does not end at the edge yet: give PORT/tcp, and let the app speak TLS itself.')
  if (protocol !== 'http' && protocol !== 'tcp') refuse('What follows the port must be /http or /tcp.')
  const inRange = wholeNumber(1, 65_535)
  if (host === undefined) return { port: inRange(own), protocol }
  if (protocol === 'http') refuse('Only TCP apps have a port of the machine of their own, such as 16379:6379/tcp.')
  return { port: inRange(own), protocol, hostPort: inRange(host) }
}

const unitMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `500ms`, `1s`, `2m`, `1h`, `7d` as ms. */
export function durationMs(min: number, max: number, range: string) {
  return (text: string): number => {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text)
    const value = match ? Number(match[1]) * (unitMs[match[2] ?? ''] ?? Number.NaN) : Number.NaN
    if (!(value >= min && value <= max)) refuse(`It must be ${range}, such as 500ms or 1s.`)
    return Math.round(value)
  }
}

/** A moment, ms since the epoch: `10m` ago, or a date and time as ISO 8601 writes them (in UTC unless it names a zone). */
export function moment(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text)
  if (match) return Date.now() - Number(match[1]) * (unitMs[match[2] ?? ''] ?? Number.NaN)
  const iso = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/.exec(text)
  const value = iso ? Date.parse(iso[1] && !iso[4] ? `${text}Z` : text) : Number.NaN
  if (Number.isNaN(value)) refuse('It must be how long ago, such as 10m or 7d, or a time, such as 2026-01-31T12:00.')
  return value
}

/** `S[:H]`: the soft limit, and the hard one, which is five times as high if it is not given. */
export function concurrency(text: string): { soft: number; hard: number } {
  const match = /^(\d+)(?::(\d+))?$/.exec(text)
  const soft = match ? Number(match[1]) : Number.NaN
  const hard = match?.[2] ? Number(match[2]) : Math.min(soft * 5, 10_000)
  const fits = soft >= 1 && hard >= soft && hard <= 10_000
  if (!fits) refuse('It must be SOFT or SOFT:HARD, from 1 to 10000, and HARD not below SOFT, such as 20:100.')
  return { soft, hard }
}

/** `PATH[:times]` */
export function warmUp(text: string): { path: string; times: number } {
  const match = /^(\/[!-~]*?)(?::(\d+))?$/.exec(text)
  const times = match?.[2] ? Number(match[2]) : 1
  if (!match || times > 100) refuse('It must be a path that begins with /, and at most 100 times, such as /health:3.')
  return { path: match?.[1] ?? '', times }
}

export function spares(text: string): number | 'auto' {
  if (text === 'auto') return text
  if (!/^\d+$/.test(text) || Number(text) > 100) refuse("It must be 'auto' or a whole number from 0 to 100.")
  return Number(text)
}

/** `K=V`, or `K` alone, whose value is taken from the environment as docker does. */
export function environment(text: string, all: string[] = []): string[] {
  const name = text.split('=')[0] ?? ''
  if (name === '') refuse('It must be NAME=value, or NAME to take the value from the environment.')
  if (text.includes('=')) return [...all, text]
  const value = process.env[name]
  if (value === undefined) refuse(`${name} is not set in the environment; write ${name}=value.`)
  return [...all, `${name}=${value}`]
}

export const collect = (text: string, all: string[] = []): string[] => [...all, text]

const network = /^\d{1,3}(\.\d{1,3}){3}(\/\d{1,2})?$/

/** `CIDR,CIDR…`; the cloud checks the numbers in them. */
export function networks(text: string): string[] {
  const all = text.split(',')
  const wrong = all.find((one) => !network.test(one))
  if (wrong !== undefined)
    refuse(
      `It must be IPv4 addresses or networks such as 203.0.113.0/24, with commas between them; not '${wrong}'. Names are not supported.`,
    )
  return all
}

/** `all`, `none`, or networks: where connections may go; undefined: everywhere. */
export function egress(text: string): string[] | undefined {
  if (text === 'all') return undefined
  return text === 'none' ? [] : networks(text)
}

export function oneOf<T extends string>(...choices: T[]) {
  return (text: string): T => {
    if (!choices.includes(text as T)) refuse(`It must be one of ${choices.join(', ')}.`)
    return text as T
  }
}

function refuse(why: string): never {
  throw new InvalidArgumentError(why)
}
