import { execFile } from 'node:child_process'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type ProxyName, Rig } from './throughput/rig.ts'

const run = promisify(execFile)

const proxies: ProxyName[] = ['edge', 'haproxy']
const kinds = [
  { name: '200 B', path: '/small', bodyBytes: 200 },
  { name: '16 KiB', path: '/large', bodyBytes: 16_384 },
  { name: '4 chunks of 1 KiB', path: '/chunked', bodyBytes: 'chunked' },
] as const

interface Sample {
  requests: number
  failed: number
  p50_ms: number
  p99_ms: number
  seconds: number
  /** Of the proxy's process. */
  cpuMs: number
}

export interface ProxyResult {
  rps: number
  rps_min: number
  rps_max: number
  p99_ms: number
  /** Of the proxy's process; less troubled by a busy machine than the rest. */
  cpu_us: number
}

export interface Throughput {
  ratio_to_haproxy: number
  p99_ratio: number
  failed: number
  connections: number
  rounds: number
  seconds_per_round: number
  load_before: number
  kinds: {
    name: string
    ratio: number
    p99_ratio: number
    /** The edge's CPU time per request ÷ HAProxy's. */
    cpu_ratio: number
    edge: ProxyResult
    haproxy: ProxyResult
  }[]
}

export interface ThroughputOptions {
  quick?: boolean
  progress?: (line: string) => void
}

/** The edge against HAProxy, one thread each, the same backend and client, in turns; medians over the rounds' ratios. */
export async function runThroughput({ quick = false, progress }: ThroughputOptions = {}): Promise<Throughput> {
  const rounds = quick ? 5 : 15
  const seconds = quick ? 1 : 2
  const loadBefore = round3(loadavg()[0] as number)
  await using rig = await Rig.start()
  const result: Throughput['kinds'] = []
  let failed = 0
  for (const kind of kinds) {
    const samples: Record<ProxyName, Sample[]> = { edge: [], haproxy: [] }
    for (const proxy of proxies) await load(rig, proxy, kind, 1) // warm-up: JIT and connections
    for (let round = 0; round < rounds; round++) {
      for (const proxy of round % 2 === 0 ? proxies : proxies.toReversed()) {
        const sample = await load(rig, proxy, kind, seconds)
        failed += sample.failed
        samples[proxy].push(sample)
      }
    }
    const row = compare(kind.name, samples)
    progress?.(`${row.name}: ${row.ratio} × HAProxy's req/s, p99 ${row.p99_ratio} ×, CPU ${row.cpu_ratio} ×`)
    result.push(row)
  }
  return {
    // The promise holds for each kind of reply, so the worst counts.
    ratio_to_haproxy: Math.min(...result.map(({ ratio }) => ratio)),
    p99_ratio: Math.max(...result.map(({ p99_ratio }) => p99_ratio)),
    failed,
    connections: 64,
    rounds,
    seconds_per_round: seconds,
    load_before: loadBefore,
    kinds: result,
  }
}

async function load(rig: Rig, proxy: ProxyName, kind: (typeof kinds)[number], seconds: number): Promise<Sample> {
  const file = join(import.meta.dirname, 'throughput/load.ts')
  const words = [rig.ports[proxy], kind.path, kind.bodyBytes, seconds, rig.pid(proxy)].map(String)
  const { stdout } = await run('taskset', ['-c', '1', process.execPath, file, ...words])
  return JSON.parse(stdout) as Sample
}

/** Edge ÷ HAProxy of each round: the two ran one after the other, so what else the machine did troubled both alike. */
function compare(name: string, samples: Record<ProxyName, Sample[]>): Throughput['kinds'][number] {
  const ratio = (value: (sample: Sample) => number) =>
    round3(median(samples.edge.map((edge, round) => value(edge) / value(samples.haproxy[round] as Sample))))
  return {
    name,
    ratio: ratio(rps),
    p99_ratio: ratio(({ p99_ms }) => p99_ms),
    cpu_ratio: ratio(cpuUs),
    edge: summary(samples.edge),
    haproxy: summary(samples.haproxy),
  }
}

function summary(samples: Sample[]): ProxyResult {
  const rates = samples.map((sample) => Math.round(rps(sample)))
  return {
    rps: median(rates),
    rps_min: Math.min(...rates),
    rps_max: Math.max(...rates),
    p99_ms: round3(median(samples.map(({ p99_ms }) => p99_ms))),
    cpu_us: round3(median(samples.map(cpuUs))),
  }
}

const rps = ({ requests, seconds }: Sample) => requests / seconds
const cpuUs = ({ cpuMs, requests }: Sample) => (cpuMs * 1000) / requests
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] as number
const round3 = (value: number) => Math.round(value * 1000) / 1000

if (import.meta.main)
  console.log(JSON.stringify(await runThroughput({ quick: process.argv.includes('--quick') }), undefined, 2))
