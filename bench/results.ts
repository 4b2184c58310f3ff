import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import { formatMs } from '../runtime/src/core/units.ts'
import { detectMachine } from '../runtime/src/vm/accelerator.ts'
import { verdicts } from './verdicts.ts'

const path = join(import.meta.dirname, 'RESULTS.md')
const title = `# Results

Written by \`npm run bench\`, never by hand. Each part says on which machine and when it was measured; machines are shared
and noisy, so compare only what stands in one part.
`

/** Replaces the part of one benchmark in RESULTS.md, and says anew which promises hold. */
export async function writeResult(name: string, result: object, tookMs: number) {
  let text = title
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    // the first one
  }
  const [head = title, ...others] = text.split(/^(?=## )/m)
  const kept = others.filter((one) => !one.startsWith('## promises\n') && !one.startsWith(`## ${name}\n`))
  const parts = [...kept, await part(name, result, tookMs)].sort()
  const all = [head, verdicts(parts), ...parts].map((one) => one.trimEnd())
  writeFileSync(path, `${all.join('\n\n')}\n`)
}

async function part(name: string, result: object, tookMs: number): Promise<string> {
  const { accelerator, isolation, qemuVersion } = await detectMachine()
  const load = loadavg()
    .map((value) => value.toFixed(1))
    .join(' ')
  const memory = Math.round(totalmem() / 2 ** 30)
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  const facts = [
    new Date().toISOString().slice(0, 16).replace('T', ' '),
    `commit ${commit}`,
    `${availableParallelism()} × ${cpus()[0]?.model ?? 'CPU'}, ${memory} GiB`,
    `${accelerator} (${isolation} isolation), ${qemuVersion.replace('QEMU emulator version ', 'QEMU ')}`,
    `Node ${process.versions.node}`,
    `load at the end ${load}`,
    `took ${formatMs(tookMs)}`,
  ]
  return `## ${name}\n\n${facts.join(' · ')}\n\n${tables(result)}\n\n\`\`\`json\n${JSON.stringify(result)}\n\`\`\``
}

/** Lists of the same kind of thing become tables; single figures a list. */
function tables(result: object): string {
  const lists = Object.entries(result).filter(([, value]) => Array.isArray(value)) as [string, object[]][]
  const figures = Object.entries(result).filter(([, value]) => !Array.isArray(value) && typeof value !== 'object')
  const text = figures.map(([key, value]) => `- ${key}: ${String(value)}`)
  for (const [key, rows] of lists)
    if (rows.length > 0) text.push('', `${key}:`, '', table(rows.map((row) => flat(row))))
  return text.join('\n').trim()
}

function table(rows: Record<string, unknown>[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const line = (cells: unknown[]) => `| ${cells.map((cell) => String(cell ?? '')).join(' | ')} |`
  return [
    line(columns),
    line(columns.map(() => '---')),
    ...rows.map((row) => line(columns.map((column) => row[column]))),
  ].join('\n')
}

function flat(row: object, prefix = ''): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).flatMap(([key, value]) =>
      value !== null && typeof value === 'object'
        ? Object.entries(flat(value, `${prefix}${key} `))
        : [[`${prefix}${key}`, value]],
    ),
  )
}
