import { parseArgs } from 'node:util'
import { writeResult } from './results.ts'

/** A benchmark: measures, and says its result as the JSON that PROMISES.md names and as lines for people. */
const benchmarks = {
  wake: () => import('./wake.ts').then(({ runWake }) => runWake),
  burst: () => import('./burst.ts').then(({ runBurst }) => runBurst),
  chaos: () => import('./chaos.ts').then(({ runChaos }) => runChaos),
  deploy: () => import('./deploy.ts').then(({ runDeploy }) => runDeploy),
  tiers: () => import('./tiers.ts').then(({ runTiers }) => runTiers),
  throughput: () => import('./throughput.ts').then(({ runThroughput }) => runThroughput),
} as const
type Name = keyof typeof benchmarks

const usage = `npm run bench -- ${Object.keys(benchmarks).join('|')} [--quick] [--json] [--seed N]
  --quick  few samples, to see that it works: nothing is written
  --json   print the result as JSON
  --seed   of chaos: the same number kills in the same order (default 1)
Without --quick the result is written to bench/RESULTS.md. Leave the machine alone meanwhile.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
  },
})
const [name = ''] = positionals
const seed = Number(values.seed)
if (!(name in benchmarks) || !Number.isSafeInteger(seed)) {
  console.error(usage)
  process.exit(1)
}
const progress = (line: string) => process.stderr.write(`  ${line}\n`)
const measure = (await benchmarks[name as Name]()) as (options: {
  quick: boolean
  seed: number
  progress: (line: string) => void
}) => Promise<object>
const began = Date.now()
const result = await measure({ quick: values.quick, seed, progress })
const tookMs = Date.now() - began
if (!values.quick) await writeResult(name, result, tookMs)
console.log(JSON.stringify(result, null, values.json ? 0 : 2))
