import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogLine } from '../cluster/subjects.ts'
import { appName, teamId } from '../core/ids.ts'
import { LogQueue } from './log-queue.ts'
import { LogRate } from './log-rate.ts'

const line = (text: string, at = 0): LogLine => ({ at, instance: 'i-1', release: 1, stream: 'stdout', text })
const [team, app] = [teamId('main'), appName('hello')]
const newQueue = () => new LogQueue({ team, app, subject: 'logs.main.hello.n1' })
const fill = (queue: LogQueue, count: number, from = 1) => {
  for (let n = from; n < from + count; n++) queue.push({ sequence: n, team, app, ...line(`${n} ${'x'.repeat(100)}`) })
}

function drain(queue: LogQueue): LogLine[] {
  const lines: LogLine[] = []
  while (!queue.isEmpty) {
    const segment = queue.segment()
    lines.push(...segment.lines)
    queue.sent(segment)
  }
  return lines
}

test('when lines cannot be sent the oldest go, and the log says how many', () => {
  const queue = newQueue()
  const count = 20_000
  fill(queue, count)
  const [said, ...kept] = drain(queue)
  assert.equal(said?.stream, 'system')
  assert.equal(said?.text, `${count - kept.length} lines were dropped: they could not be sent and memory is bounded`)
  assert.ok(kept.at(-1)?.text.startsWith(`${count} `), 'the newest is there')
  assert.equal(queue.bytes, 0)
})

test('a program that floods its log is limited, and the log says so', () => {
  const rate = new LogRate(0)
  const lines: LogLine[] = []
  for (let n = 0; n < 100_000; n++) lines.push(...rate.admit(line('x'.repeat(100))))
  lines.push(...rate.admit(line('a minute later', 60_000)))
  const printed = lines.filter(({ stream }) => stream === 'stdout').length
  const said = lines.find(({ stream }) => stream === 'system')?.text
  assert.equal(said, `${100_000 - (printed - 1)} lines were dropped: this app writes more than 256 KiB/s`)
  assert.equal(rate.droppedLines, 100_000 - (printed - 1))
  assert.equal(lines.at(-1)?.text, 'a minute later')
})

test('what NATS took last and may have lost is sent again, but for what it still has', () => {
  const queue = newQueue()
  fill(queue, 10)
  queue.sent(queue.segment())
  fill(queue, 5, 11)
  assert.equal(queue.oldest, 11)
  queue.doubt()
  assert.deepEqual([queue.oldest, queue.unsure], [1, true])
  queue.stored(7)
  assert.deepEqual([queue.oldest, queue.unsure], [8, false])
  assert.equal(drain(queue).length, 8)
})
