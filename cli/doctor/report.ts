import { styleText } from 'node:util'
import { wrap } from '../wrap.ts'
import type { Finding } from './check.ts'

const marks = { ok: styleText('green', 'ok  '), warn: styleText('yellow', 'warn'), fail: styleText('red', 'FAIL') }

/** A line for each finding, its next step beneath, and a verdict. styleText honours NO_COLOR and pipes. */
export function report(findings: Finding[], columns = process.stdout.columns ?? Infinity): string {
  const width = Math.max(...findings.map((one) => one.name.length))
  const indent = ''.padEnd('ok    '.length + width + 2)
  const lines = findings.flatMap(({ name, level, fact, next }) => [
    `${marks[level]}  ${name.padEnd(width)}  ${wrap(fact, columns, indent)}`,
    ...(next ? [`${indent}→ ${wrap(next, columns, `${indent}  `)}`] : []),
  ])
  return [...lines, '', verdict(findings)].join('\n')
}

export const usable = (findings: Finding[]) => findings.every((one) => one.level !== 'fail')

function verdict(findings: Finding[]): string {
  const count = (level: Finding['level']) => findings.filter((one) => one.level === level).length
  const things = (number: number) => (number === 1 ? '1 thing' : `${number} things`)
  if (count('fail') > 0) return `${things(count('fail'))} must be put right before the cloud can run here`
  return count('warn') > 0 ? `usable; ${things(count('warn'))} could be better` : 'usable'
}
