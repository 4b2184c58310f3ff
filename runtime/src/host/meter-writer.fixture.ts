import { writeSync } from 'node:fs'
import { Meter } from './meter.ts'

/** Meters for ever, several intervals at a time; says each one's start once it has begun. For meter.test.ts. */
const [dir = '', round = '0'] = process.argv.slice(2)
const meter = Meter.open({ dir, node: 'n1', isolation: 'emulated' })
for (let n = 0; ; n++) {
  const open = [0, 1, 2].map((i) => {
    const startUs = Number(round) * 1e9 + n * 10 + i
    const interval = meter.begin({
      team: 'main',
      app: 'hello',
      release: 1,
      instance: `i-${i}`,
      incarnation: 1,
      kind: 'run',
      vcpus: 1,
      memoryMib: 256,
      startUs,
    })
    writeSync(1, `${startUs}\n`)
    return interval
  })
  for (const interval of open) {
    interval.touch(interval.startUs + 2e6)
    interval.end({ endUs: interval.startUs + 5, edges: [], holds: [], egressBytes: 0, requests: 0 })
  }
}
