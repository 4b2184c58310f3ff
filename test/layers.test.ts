import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cycles } from './layers/cycles.ts'
import { type Import, importsIn, readImports } from './layers/imports.ts'

/** The rows of design: a folder of runtime/src imports only from its own row's own folder and from rows above. */
const rows = [
  ['core'],
  ['model'],
  ['cluster', 'vm', 'image', 'chain', 'fabric'],
  ['template', 'volume', 'placement'],
  ['edge', 'host', 'control', 'billing', 'ledger'],
  ['bin'],
]
const rowOf = new Map(rows.flatMap((folders, row) => folders.map((folder) => [folder, row] as const)))

/** These three start or examine the machine itself, so the sdk is not enough for them. */
const machineVerbs = /^cli\/(up|down|doctor)(\.ts$|\/)/
const machineFiles =
  /^(runtime\/src\/(core|bin)\/|runtime\/src\/(vm\/(accelerator|process)|cluster\/nats-binary|host\/network-names)\.ts$|scripts\/setup\/packages\.ts$)/

const imports = await readImports(['runtime/src', 'cli', 'sdk', 'dashboard'])
const shown = (found: Import[]) => found.map(({ from, to }) => `${from} → ${to}`)
const inside = (folder: string) => imports.filter(({ from }) => from.startsWith(`${folder}/`))

test('each folder of the runtime is in the table of layers', () => {
  const folders = new Set(inside('runtime').map(({ from }) => folderOf(from)))
  assert.deepEqual(
    [...folders].filter((folder) => !rowOf.has(folder)),
    [],
  )
})

test('a folder of the runtime imports only from itself and from rows above', () => {
  const wrong = inside('runtime').filter(({ from, to }) => {
    if (!to.startsWith('runtime/src/')) return true
    const [own, other] = [folderOf(from), folderOf(to)]
    return own !== other && (rowOf.get(other) ?? Infinity) >= (rowOf.get(own) ?? -1)
  })
  assert.deepEqual(shown(wrong), [])
})

test('the command line talks to the cloud only through the sdk', () => {
  const wrong = inside('cli').filter(({ from, to }) => {
    if (to.startsWith('cli/') || to.startsWith('sdk/')) return false
    return !(machineVerbs.test(from) && machineFiles.test(to))
  })
  assert.deepEqual(shown(wrong), [])
})

test('the sdk depends on nothing, and the dashboard on the sdk alone', () => {
  const wrong = [
    ...inside('sdk').filter(({ to }) => !to.startsWith('sdk/')),
    ...inside('dashboard').filter(({ to }) => !/^(dashboard|sdk)\//.test(to)),
  ]
  assert.deepEqual(shown(wrong), [])
})

test('no files import each other in a ring', () => {
  assert.deepEqual(cycles(imports), [])
})

function folderOf(path: string): string {
  return path.split('/')[2] ?? ''
}

test('the reader of imports sees every form of them, and rings are named', () => {
  const text =
    "import { a } from './b.ts'\nimport type {\n  C,\n} from '../c.ts'\nexport * from './d.ts'\nimport './e.ts'\nawait import('./f.ts')\nimport 'zod'\n"
  const found = importsIn('x/y/a.ts', text)
  assert.deepEqual(
    shown(found).sort(),
    ['b', 'd', 'e', 'f']
      .map((to) => `x/y/a.ts → x/y/${to}.ts`)
      .concat('x/y/a.ts → x/c.ts')
      .sort(),
  )

  const ring = (from: string, to: string) => ({ from, to, typeOnly: false })
  assert.deepEqual(cycles([ring('a', 'b'), ring('b', 'c'), ring('c', 'a'), ring('c', 'd')]), ['a → b → c → a'])
})
