import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogLine } from '../cluster/subjects.ts'
import { LogQueue } from './log-queue.ts'

const line = (text: string, at = 0): LogLine => ({ at, instance: 'i-1', stream: 'stdout', text })

function drain(queue: LogQueue): LogLine[] {
  const lines: LogLine[] = []
  while (!queue.isEmpty) lines.push(...queue.take())
  return lines
}

test('when lines cannot be sent the oldest go, and the log says how many', () => {
  const queue = new LogQueue('logs.main.hello', 0)
  const count = 20_000
  for (let n = 0; n < count; n++) queue.add(line(`${n} ${'x'.repeat(100)}`))
  const [said, ...kept] = drain(queue)
  assert.equal(said?.stream, 'system')
  assert.equal(said?.text, `${count - kept.length} lines were dropped: they could not be sent and memory is bounded`)
  assert.ok(kept.at(-1)?.text.startsWith(`${count - 1} `), 'the newest is there')
})

test('a program that floods its log is limited, and the log says so', () => {
  const queue = new LogQueue('logs.main.hello', 0)
  const lines: LogLine[] = []
  for (let n = 0; n < 100_000; n++) {
    queue.add(line('x'.repeat(100)))
    if (queue.isSegmentFull) lines.push(...queue.take())
  }
  queue.add(line('a minute later', 60_000))
  lines.push(...drain(queue))
  const printed = lines.filter(({ stream }) => stream === 'stdout').length
  const said = lines.find(({ stream }) => stream === 'system')?.text
  assert.equal(said, `${100_000 - (printed - 1)} lines were dropped: more than 256 KiB/s for long`)
  assert.equal(lines.at(-1)?.text, 'a minute later')
})
