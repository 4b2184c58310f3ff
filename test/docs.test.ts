import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { parsePromises } from '../bench/promises.ts'
import { instancePage, instancePagePath } from '../scripts/docs-instance.ts'
import { defines, walkSteps } from './docs/walks.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const pages = ['*.md', 'docs/**/*.md', 'spec/*.md'].flatMap((pattern) => globSync(pattern, { cwd: root }))

test('every file that ARCHITECTURE.md names exists', () => {
  // a path has a slash and an ending; examples in <angles> and patterns with a * are none
  const paths = [...read('ARCHITECTURE.md').matchAll(/`([\w./-]+\/[\w.-]+\.\w+)`/g)].map((match) => match[1] ?? '')
  assert.ok(paths.length > 20, `only ${paths.length} paths found: has the page another form now?`)
  assert.deepEqual(
    paths.filter((path) => !existsSync(join(root, path))),
    [],
  )
})

test('every function that ARCHITECTURE.md names is defined in the file beside it', () => {
  const steps = walkSteps(read('ARCHITECTURE.md'))
  assert.ok(steps.length > 15, `only ${steps.length} steps found: has the page another form now?`)
  const missing = steps.filter(({ file, name }) => existsSync(join(root, file)) && !defines(read(file), name))
  assert.deepEqual(
    missing.map(({ file, name }) => `${file}: ${name}`),
    [],
  )
})

test('links between our pages lead somewhere', () => {
  const broken = pages.flatMap((page) => {
    const links = [...read(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '')
    const own = links.filter((link) => !/^[a-z]+:/.test(link))
    return own
      .filter((link) => !existsSync(join(root, normalize(join(dirname(page), link)))))
      .map((link) => `${page}: ${link}`)
  })
  assert.deepEqual(broken, [])
})

test("the page of an instance's life is what its table of moves says", () => {
  assert.equal(read(instancePagePath), instancePage(), 'run: sh scripts/with-node.sh scripts/docs-instance.ts')
})

test('each dependency says in CONTRIBUTING.md what it saves and how we would leave it', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
  const rows = read('CONTRIBUTING.md')
    .split('\n')
    .filter((line) => line.startsWith('| '))
  const named = new Set(
    rows
      .flatMap((row) => (row.split('|')[1] ?? '').replace('*for development*', '').split(','))
      .map((name) => name.trim()),
  )
  assert.deepEqual(
    Object.keys({ ...dependencies, ...devDependencies }).filter((name) => !named.has(name)),
    [],
  )
})

test('each promise has a bound and a measurement that exists', () => {
  const promises = parsePromises(read('PROMISES.md'))
  assert.ok(promises.length > 0)
  const unmeasured = promises.filter(({ measure }) => measure.by === 'test' && !existsSync(join(root, measure.file)))
  assert.deepEqual(
    unmeasured.map(({ name }) => name),
    [],
  )
})

test('a promise without a measurement, or with a bound in prose, is refused', () => {
  const table = (row: string) => `| name | bound | how measured |\n|---|---|---|\n${row}\n`
  assert.throws(() => parsePromises(table('| fast | quite fast | bench wake: x |')), /quite fast/)
  assert.throws(() => parsePromises(table('| fast | < 2 ms | by feel |')), /by feel/)
  const [good] = parsePromises(table('| fast | < 2 ms | bench wake: apps[*].p50 |'))
  assert.deepEqual(good, {
    name: 'fast',
    bound: { compare: '<', value: 2, unit: 'ms' },
    measure: { by: 'bench', bench: 'wake', path: 'apps[*].p50' },
  })
})
