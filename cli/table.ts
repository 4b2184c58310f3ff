import Table from 'cli-table3'

type Cell = string | number

const none = [
  ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
  ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
]
const chars = { ...Object.fromEntries(none.map((part) => [part, ''])), middle: '  ' }

/** Rows under a head, without borders, so that `awk` can read them too. */
export function printTable(head: string[], rows: Cell[][]): void {
  const style = { 'padding-left': 0, 'padding-right': 0, head: [], border: [] }
  const table = new Table({ head: head.map((name) => name.toUpperCase()), chars, style })
  table.push(...rows.map((row) => row.map(String)))
  console.log(
    table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n'),
  )
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
