/** Fields that a Connection header cannot make us drop: the request would mean something else without them. */
const neverDropped = new Set(['host', 'content-length', 'transfer-encoding', 'upgrade'])
const ordinary = new Set(['close', 'keep-alive', 'upgrade', ''])

/** Adds the ranges of the header lines that Connection lists (lower case, by commas) to `drop`. */
export function listedByConnection(text: string, from: number, options: string, drop: number[]): void {
  const listed = new Set<string>()
  for (const option of options.split(',')) {
    const name = option.trim()
    if (!ordinary.has(name) && !neverDropped.has(name)) listed.add(name)
  }
  if (listed.size === 0) return
  for (let at = from; at < text.length - 2; ) {
    const next = text.indexOf('\r', at) + 2
    if (listed.has(text.slice(at, text.indexOf(':', at)).toLowerCase())) drop.push(at, next)
    at = next
  }
}
