import { existsSync, globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'

const root = join(import.meta.dirname, '../..')

/** One file of ours importing another; paths from the root of the repository. */
export interface Import {
  from: string
  to: string
  /** `import type` and `export type` are gone at run time: they bind layers, but make no ring. */
  typeOnly: boolean
}

// `import … from './x.ts'`, `export … from`, `import './x.ts'`, `import('./x.ts')`; other packages don't start with a dot
const statement = /^\s*(?:import|export)\s+(?:(type)\s)?[^'"`;]*?from\s+['"](\.[^'"]+)['"]/gm
const bare = /^\s*import\s+['"](\.[^'"]+)['"]/gm
const dynamic = /\bimport\(\s*['"](\.[^'"]+)['"]\s*\)/g

/** All imports between our own files in the given folders, but not of their tests. */
export async function readImports(folders: string[]): Promise<Import[]> {
  const files = folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => globSync(`${folder}/**/*.{ts,tsx}`, { cwd: root, exclude: ['**/node_modules/**'] }))
  // A test may use what it likes of the tree: a harness, a neighbour's fixture.
  const sources = files.filter((file) => !/\.test\.tsx?$/.test(file))
  const lists = await Promise.all(
    sources.map(async (file) => importsIn(file, await readFile(join(root, file), 'utf8'))),
  )
  return lists.flat()
}

export function importsIn(from: string, text: string): Import[] {
  const to = (path: string | undefined) => normalize(join(dirname(from), path ?? ''))
  return [
    ...[...text.matchAll(statement)].map((match) => ({ from, to: to(match[2]), typeOnly: match[1] === 'type' })),
    ...[...text.matchAll(bare)].map((match) => ({ from, to: to(match[1]), typeOnly: false })),
    ...[...text.matchAll(dynamic)].map((match) => ({ from, to: to(match[1]), typeOnly: false })),
  ]
}
