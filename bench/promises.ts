/** A row of PROMISES.md. */
export interface Promised {
  name: string
  bound: { compare: '<' | '<=' | '=' | '>='; value: number; unit: string }
  measure: { by: 'bench'; bench: string; path: string } | { by: 'test'; file: string }
}

const row = /^\| *([^|]+?) *\| *([^|]+?) *\| *([^|]+?) *\|$/
const bound = /^(<=?|=|>=) (\d+(?:\.\d+)?) (\S.*)$/
const bench = /^bench ([a-z]+): (\S+)$/
const file = /^test (\S+\.test\.ts)$/

/** Reads the table; throws for a row that does not say what is bounded, by how much, and by which measurement. */
export function parsePromises(markdown: string): Promised[] {
  const rows = markdown.split('\n').flatMap((line) => {
    const cells = row.exec(line)
    return cells && !/^-+$/.test(cells[1] ?? '') && cells[1] !== 'name' ? [cells.slice(1)] : []
  })
  return rows.map(([name = '', limit = '', how = '']) => ({
    name,
    bound: parseBound(limit),
    measure: parseMeasure(how),
  }))
}

function parseBound(text: string): Promised['bound'] {
  const match = bound.exec(text)
  if (!match) throw new Error(`not a bound: ${text}`)
  return { compare: match[1] as Promised['bound']['compare'], value: Number(match[2]), unit: match[3] ?? '' }
}

function parseMeasure(text: string): Promised['measure'] {
  const measured = bench.exec(text)
  if (measured) return { by: 'bench', bench: measured[1] ?? '', path: measured[2] ?? '' }
  const tested = file.exec(text)
  if (tested) return { by: 'test', file: tested[1] ?? '' }
  throw new Error(`not a measurement: ${text}`)
}
