/** No column becomes narrower, so that what is left still says something. */
const narrowest = 12

/** The rows as they fit into a terminal: of the columns that may shrink the widest gives way first. */
export function fitColumns(rows: string[][], mayShrink: boolean[], columns: number, gap: number): string[][] {
  const widths = (rows[0] ?? []).map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)))
  const total = () => widths.reduce((sum, width) => sum + width + gap, -gap)
  while (total() > columns) {
    const widest = Math.max(...widths.filter((_, index) => mayShrink[index]))
    if (widest <= narrowest) break
    widths[widths.findIndex((width, index) => mayShrink[index] && width === widest)]!--
  }
  return rows.map((row) => row.map((cell, index) => shorten(cell, widths[index] ?? cell.length)))
}

/** The end of a path tells the most, of everything else the beginning. */
function shorten(text: string, width: number): string {
  if (text.length <= width) return text
  return text.startsWith('/') ? `…${text.slice(text.length - width + 1)}` : `${text.slice(0, width - 1)}…`
}
