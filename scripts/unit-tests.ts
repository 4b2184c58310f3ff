import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'

/**
 * Runs the tests that lie beside their files, and the two that read the whole tree; `--all` adds the cluster tests of
 * test/. The last lines printed are the totals of Node's test runner. Further arguments go to it, for instance a
 * `--test-name-pattern`.
 */
const root = join(import.meta.dirname, '..')
const args = process.argv.slice(2)
const all = args.includes('--all')

const beside = globSync('{runtime,cli,sdk,scripts,guest,jail,bench,dashboard}/**/*.test.ts', { cwd: root })
const ofTheTree = ['test/docs.test.ts', 'test/layers.test.ts']
const files = all ? [...beside, ...globSync('test/**/*.test.ts', { cwd: root })] : [...beside, ...ofTheTree]

const options = [
  '--test',
  '--test-reporter=spec',
  // Whole clusters share two cores badly: their time limits are those of a quiet machine. Unit tests may overlap.
  `--test-concurrency=${all ? 1 : Math.max(1, availableParallelism() - 1)}`,
  '--test-timeout=600000', // ms; a hang must end with a name, not with the patience of whoever waits
]
const own = args.filter((arg) => arg !== '--all')
const sorted = [...new Set(files)].sort().map((file) => relative(process.cwd(), join(root, file)))
const child = spawn(process.execPath, [...options, ...own, ...sorted], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
child.on('close', (code) => {
  process.exitCode = code ?? 1
})
