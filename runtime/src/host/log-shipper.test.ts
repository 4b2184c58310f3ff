import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { z } from 'zod'
import { startNats, type TestNats } from '../../../test/harness/nats.ts'
import { ensureLogStream, logStreamName } from '../cluster/log-streams.ts'
import { read } from '../cluster/stream.ts'
import { type LogSegment, subjects } from '../cluster/subjects.ts'
import { appName, nodeId, teamId } from '../core/ids.ts'
import { LogShipper } from './log-shipper.ts'

const [team, app, node] = [teamId('main'), appName('hello'), nodeId('n1')]

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'littlecloud-logs-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

/** The texts of the app's log up to that one. */
async function textsUntil(nats: TestNats, last: string): Promise<string[]> {
  const texts: string[] = []
  const source = { stream: logStreamName(team, app), filter: subjects.logsOf(team, app) }
  const schema = z.custom<LogSegment>()
  for await (const { value } of read(nats.open(), { ...source, schema, start: { at: 'first' }, follow: true })) {
    texts.push(...value.lines.map(({ text }) => text))
    if (texts.includes(last)) break
  }
  return texts
}

test('what instances print arrives in order, once, whole, over kills of NATS', async (t) => {
  const nats = await startNats(t)
  const cluster = nats.open()
  await ensureLogStream(cluster, team, app)
  await using shipper = new LogShipper(cluster, { node, dir: folder(t) })
  const source = shipper.source({ team, app, instance: 'i-1', release: 1 })
  const expected: string[] = []
  for (let round = 0; round < 4; round++) {
    for (let n = 0; n < 2_000; n++) {
      source.write('stdout', Buffer.from(`${round}.${n} ${'x'.repeat(50)}\n`))
      expected.push(`${round}.${n} ${'x'.repeat(50)}`)
      if (n === 1_000) await new Promise((resolve) => setTimeout(resolve, 300)) // some of it is under way
    }
    if (round < 3) {
      await nats.kill()
      await nats.start()
    }
  }
  source.write('stdout', Buffer.from('unfinished'))
  source.close()
  assert.deepEqual(await textsUntil(nats, 'unfinished'), [...expected, 'unfinished'])
})

test('what an agent took in and could not send before it was killed is sent by the next one, once', async (t) => {
  const nats = await startNats(t)
  const cluster = nats.open()
  await ensureLogStream(cluster, team, app)
  const dir = folder(t)
  const first = new LogShipper(cluster, { node, dir })
  const source = first.source({ team, app, instance: 'i-1', release: 1 })
  source.write('stdout', Buffer.from('stored\n'))
  await textsUntil(nats, 'stored')
  await cluster.close() // from here on this agent can tell nobody, as one that is killed: its journal is all there is
  source.write('stderr', Buffer.from('only in the journal\n'))
  const second = new LogShipper(nats.open(), { node, dir })
  second.source({ team, app, instance: 'i-1', release: 1 }).system('the next agent')
  assert.deepEqual(await textsUntil(nats, 'the next agent'), ['stored', 'only in the journal', 'the next agent'])
  await second.close()
  await first.close()
})

test('the log of an app that nobody reads yet waits, and holds up nobody else', async (t) => {
  const nats = await startNats(t)
  const cluster = nats.open()
  await using shipper = new LogShipper(cluster, { node, dir: folder(t) })
  const early = shipper.source({ team, app, instance: 'i-1', release: 1 })
  const other = { team, app: appName('other') }
  await ensureLogStream(cluster, other.team, other.app)
  early.system('before there was a stream')
  shipper.source({ ...other, instance: 'i-2', release: 1 }).system('of another app')
  const schema = z.custom<LogSegment>()
  const reading = {
    stream: logStreamName(other.team, other.app),
    filter: subjects.logsOf(other.team, other.app),
    schema,
    start: { at: 'first' },
    follow: true,
  } as const
  for await (const { value } of read(cluster, reading)) {
    assert.equal(value.lines[0]?.text, 'of another app')
    break
  }
  await ensureLogStream(cluster, team, app)
  assert.deepEqual(await textsUntil(nats, 'before there was a stream'), ['before there was a stream'])
})

test('a program that prints without end is held up', async (t) => {
  const nats = await startNats(t)
  await using shipper = new LogShipper(nats.open(), { node, dir: folder(t) })
  const calls: string[] = []
  const resumed = Promise.withResolvers<void>()
  const reader = {
    pauseLog: () => calls.push('pause'),
    resumeLog: () => {
      calls.push('resume')
      resumed.resolve()
    },
  }
  const source = shipper.source({ team, app, instance: 'i-1', release: 1 }, reader)
  const flood = Buffer.from('y\n'.repeat(8_192))
  for (let n = 0; n < 100; n++) source.write('stdout', flood)
  await resumed.promise
  assert.deepEqual(calls, ['pause', 'resume'])
  assert.ok(shipper.droppedLines > 700_000, `${shipper.droppedLines} lines were dropped`)
  source.close()
})
