import Table from 'cli-table3'
import { fitColumns } from './fit.ts'

export type Cell = string | number

const none = [
  ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
  ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
]
const gap = '  '
const chars = { ...Object.fromEntries(none.map((part) => [part, ''])), middle: gap }

/** Columns that a narrow terminal may shorten; the others are copied by people, or short. */
const long = ['image', 'reason']

/** Rows under a head, without borders, so that `awk` can read them too. Only a terminal gets shortened cells. */
export function printTable(head: string[], rows: Cell[][]): void {
  console.log(rowsUnder(head, rows))
}

export function rowsUnder(head: string[], rows: Cell[][]): string {
  const mayShrink = head.map((name) => long.includes(name))
  const all = [head.map((name) => name.toUpperCase()), ...rows.map((row) => row.map(String))]
  const { isTTY, columns } = process.stdout
  const [first = [], ...others] = isTTY ? fitColumns(all, mayShrink, columns, gap.length) : all
  const style = { 'padding-left': 0, 'padding-right': 0, head: [], border: [] }
  const table = new Table({ head: first, chars, style })
  table.push(...others)
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

/** A list, as `--json` or as a table; an empty one says what would fill it. */
export function printList<T>(
  items: T[],
  { json, head, row, empty }: { json?: boolean | undefined; head: string[]; row: (item: T) => Cell[]; empty: string },
): void {
  if (json) console.log(JSON.stringify(items, null, 2))
  else if (items.length === 0) console.log(empty)
  else printTable(head, items.map(row))
}
