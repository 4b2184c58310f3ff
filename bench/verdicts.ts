import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Promised, parsePromises } from './promises.ts'

/** Each promise of PROMISES.md that a benchmark measures, with the worst value of its last result, as a table. */
export function verdicts(parts: string[]): string {
  const promises = parsePromises(readFileSync(join(import.meta.dirname, '../PROMISES.md'), 'utf8'))
  const rows = promises.flatMap(({ name, bound, measure }) => {
    const result = measure.by === 'bench' ? resultOf(parts, measure.bench) : undefined
    if (measure.by !== 'bench' || result === undefined) return []
    const values = valuesAt(result, measure.path.split('.'))
    const missed = values.filter((value) => !holds(value, bound))
    const limit = `${bound.compare} ${bound.value} ${bound.unit}`
    return [
      `| ${name} | ${limit} | ${values.join(', ')} | ${values.length > 0 && missed.length === 0 ? 'yes' : '**no**'} |`,
    ]
  })
  return ['## promises', '', '| promise | bound | measured | holds |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

function resultOf(parts: string[], bench: string): unknown {
  const part = parts.find((one) => one.startsWith(`## ${bench}\n`))
  const json = part && /```json\n(.*)\n```/.exec(part)?.[1]
  return json && JSON.parse(json)
}

/** `apps[*].penalty_ms.p50`: the values that the path leads to. */
function valuesAt(value: unknown, [step, ...rest]: string[]): number[] {
  if (step === undefined) return typeof value === 'number' ? [value] : []
  const all = step.endsWith('[*]')
  const next = (value as Record<string, unknown> | undefined)?.[all ? step.slice(0, -3) : step]
  return all && Array.isArray(next) ? next.flatMap((one) => valuesAt(one, rest)) : valuesAt(next, rest)
}

function holds(value: number, { compare, value: limit }: Promised['bound']): boolean {
  const comparisons = { '<': value < limit, '<=': value <= limit, '=': value === limit, '>=': value >= limit }
  return comparisons[compare]
}
