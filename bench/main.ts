import { parseArgs } from 'node:util'
import { writeResult } from './results.ts'

/** A benchmark: measures, and says its result as the JSON that PROMISES.md names and as lines for people. */
const benchmarks = {
  attacks: () => import('./attacks.ts').then(({ runAttacks }) => runAttacks),
  wake: () => import('./wake.ts').then(({ runWake }) => runWake),
  burst: () => import('./burst.ts').then(({ runBurst }) => runBurst),
  chaos: () => import('./chaos.ts').then(({ runChaos }) => runChaos),
  connections: () => import('./connections.ts').then(({ runConnections }) => runConnections),
  density: () => import('./density.ts').then(({ runDensity }) => runDensity),
  deploy: () => import('./deploy.ts').then(({ runDeploy }) => runDeploy),
  pressure: () => import('./pressure.ts').then(({ runPressure }) => runPressure),
  tiers: () => import('./tiers.ts').then(({ runTiers }) => runTiers),
  throughput: () => import('./throughput.ts').then(({ runThroughput }) => runThroughput),
} as const
type Name = keyof typeof benchmarks
/** A part of `wake` with a result of its own. */
const neighbours = () => import('./neighbours.ts').then(({ runNeighbours }) => runNeighbours)

const usage = `npm run bench -- ${Object.keys(benchmarks).join('|')} [--quick] [--json]
  --quick         few samples, to see that it works: nothing is written
  --json          print the result as JSON
  --neighbours N  (wake) while N guests of other apps spin; a result of its own
  --asleep N      (wake --neighbours) with so many other apps asleep
  --seed N        (chaos) the same number kills in the same order (default 1)
  --apps N        (density) how many apps, and how many wakes of them (default 1000)
Without --quick the result is written to bench/RESULTS.md. Leave the machine alone meanwhile.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    neighbours: { type: 'string' },
    asleep: { type: 'string' },
    seed: { type: 'string', default: '1' },
    apps: { type: 'string' },
  },
})
const [asked = ''] = positionals
const count = (text: string | undefined) => (text === undefined ? undefined : Number(text))
const [busy, asleep, seed = 1, apps] = [
  count(values.neighbours),
  count(values.asleep),
  count(values.seed),
  count(values.apps),
]
const wrong = [busy, asleep, seed, apps].some(
  (value) => value !== undefined && !(Number.isSafeInteger(value) && value >= 0),
)
if (!(asked in benchmarks) || wrong || (busy !== undefined && asked !== 'wake')) {
  console.error(usage)
  process.exit(1)
}
const name = busy === undefined ? asked : 'neighbours'
const progress = (line: string) => process.stderr.write(`  ${line}\n`)
const measure = (await (busy === undefined ? benchmarks[asked as Name]() : neighbours())) as (options: {
  quick: boolean
  seed: number
  apps: number | undefined
  progress: (line: string) => void
  neighbours: number | undefined
  asleep: number | undefined
}) => Promise<object>
const began = Date.now()
const result = await measure({ quick: values.quick, seed, apps, progress, neighbours: busy, asleep })
const tookMs = Date.now() - began
if (!values.quick) await writeResult(name, result, tookMs)
console.log(JSON.stringify(result, null, values.json ? 0 : 2))
