import { execFile } from 'node:child_process'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cpuMs } from './throughput/cpu.ts'
import { type ProxyName, Rig } from './throughput/rig.ts'

const run = promisify(execFile)

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
  cpuMs: number
}

export interface ProxyResult {
  requestsPerSecond: number
  p99_ms: number
  /** Of the proxy's process; less troubled by a busy machine than the rest. */
  cpuUsPerRequest: number
  /** requests/s of each round */
  rounds: number[]
}

export interface Throughput {
  ratio_to_haproxy: number
  p99_ratio: number
  failed: number
  machine: {
    cpu: string
    cpus: number
    loadBefore: number
    connections: number
    rounds: number
    secondsPerRound: number
  }
  kinds: {
    name: string
    ratio: number
    p99_ratio: number
    /** HAProxy's CPU time per request ÷ the edge's: what req/s would show if nothing but the proxy were the bottleneck. */
    cpu_ratio: number
    edge: ProxyResult
    haproxy: ProxyResult
  }[]
}

/** The edge against HAProxy, one thread each, the same backend and client, in turns; medians over the rounds' ratios. */
export async function runThroughput({ quick = false } = {}): Promise<Throughput> {
  const rounds = quick ? 5 : 15
  const seconds = quick ? 1 : 2
  const loadBefore = loadavg()[0] as number
  await using rig = await Rig.start()
  const result: Throughput['kinds'] = []
  let failed = 0
  for (const kind of kinds) {
    const samples: Record<ProxyName, Sample[]> = { edge: [], haproxy: [] }
    for (const proxy of ['edge', 'haproxy'] as const) await load(rig, proxy, kind, 1) // warm-up: JIT and connections
    for (let round = 0; round < rounds; round++) {
      for (const proxy of round % 2 === 0 ? (['edge', 'haproxy'] as const) : (['haproxy', 'edge'] as const)) {
        const sample = await load(rig, proxy, kind, seconds)
        failed += sample.failed
        samples[proxy].push(sample)
      }
    }
    const [edge, haproxy] = [summary(samples.edge), summary(samples.haproxy)]
    const cpuRatio = haproxy.cpuUsPerRequest / edge.cpuUsPerRequest
    result.push({
      name: kind.name,
      ratio: round3(median(pairs(samples, ({ requests }) => requests))),
      p99_ratio: round3(median(pairs(samples, ({ p99_ms }) => p99_ms))),
      cpu_ratio: round3(cpuRatio),
      edge,
      haproxy,
    })
  }
  return {
    // The promise holds for each kind of reply, so the worst counts.
    ratio_to_haproxy: Math.min(...result.map(({ ratio }) => ratio)),
    p99_ratio: Math.max(...result.map(({ p99_ratio }) => p99_ratio)),
    failed,
    machine: {
      cpu: cpus()[0]?.model ?? '',
      cpus: cpus().length,
      loadBefore,
      connections: 64,
      rounds,
      secondsPerRound: seconds,
    },
    kinds: result,
  }
}

async function load(rig: Rig, proxy: ProxyName, kind: (typeof kinds)[number], seconds: number): Promise<Sample> {
  const file = join(import.meta.dirname, 'throughput/load.ts')
  const args = [
    '-c',
    '1',
    process.execPath,
    file,
    String(rig.ports[proxy]),
    kind.path,
    String(kind.bodyBytes),
    String(seconds),
  ]
  const before = cpuMs(rig.pid(proxy))
  const { stdout } = await run('taskset', args)
  return { ...(JSON.parse(stdout) as Sample), cpuMs: cpuMs(rig.pid(proxy)) - before }
}

function summary(samples: Sample[]): ProxyResult {
  const rounds = samples.map(({ requests, seconds }) => Math.round(requests / seconds))
  return {
    requestsPerSecond: median(rounds),
    p99_ms: round3(median(samples.map(({ p99_ms }) => p99_ms))),
    cpuUsPerRequest: round3(median(samples.map(({ cpuMs, requests }) => (cpuMs * 1000) / requests))),
    rounds,
  }
}

/** Edge ÷ HAProxy of each round: the two ran one after the other, so what else the machine did troubled both alike. */
const pairs = (samples: Record<ProxyName, Sample[]>, value: (sample: Sample) => number) =>
  samples.edge.map((edge, round) => value(edge) / value(samples.haproxy[round] as Sample))

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] as number
const round3 = (value: number) => Math.round(value * 1000) / 1000

if (import.meta.main)
  console.log(JSON.stringify(await runThroughput({ quick: process.argv.includes('--quick') }), undefined, 2))
