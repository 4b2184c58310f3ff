import type { Import } from './imports.ts'

/** Each ring of files that import each other at run time, as `a → b → a`; found once, by depth-first search. */
export function cycles(imports: Import[]): string[] {
  const next = Map.groupBy(
    imports.filter((one) => !one.typeOnly),
    (one) => one.from,
  )
  const done = new Set<string>()
  const path: string[] = []
  const found: string[] = []

  const visit = (file: string) => {
    const start = path.indexOf(file)
    if (start >= 0) found.push([...path.slice(start), file].join(' → '))
    if (start >= 0 || done.has(file)) return
    path.push(file)
    for (const { to } of next.get(file) ?? []) visit(to)
    path.pop()
    done.add(file)
  }
  for (const file of next.keys()) visit(file)
  return found
}
