import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { startNats } from '../../../test/harness/nats.ts'
import { ensureLogStream, keptLogBytes, logStream, logStreamName, logStreams } from '../cluster/log-streams.ts'
import { ensureStorage } from '../cluster/storage.ts'
import { publish, read } from '../cluster/stream.ts'
import { type LogSegment, subjects } from '../cluster/subjects.ts'
import { appName, nodeId, teamId } from '../core/ids.ts'
import { App } from '../model/app.ts'
import { keptAfterEndMs, lookOnce } from './log-keeper.ts'
import { openState } from './state.ts'

const [team, node] = [teamId('main'), nodeId('n-1')]
const [web, gone] = [appName('web'), appName('gone')]

test('each app has a stream for its log, and the log of one that is no more is dropped after a week', async (t) => {
  const cluster = (await startNats(t)).open()
  await ensureStorage(cluster)
  const state = openState(cluster)
  const app = { team, name: web, release: 1, newest: 1, hostname: 'web.localhost', createdAt: 0, stopped: false }
  await state.apps.put('main.web', App.parse(app))
  await ensureLogStream(cluster, team, gone)
  const names = async () => (await logStreams(cluster)).map((stream) => stream.app).toSorted()

  await lookOnce({ state }, cluster, Date.now())
  assert.deepEqual(await names(), ['gone', 'web'])
  await lookOnce({ state }, cluster, Date.now() + keptAfterEndMs + 60_000)
  assert.deepEqual(await names(), ['web'])
  assert.equal(await logStream(cluster, team, gone), undefined)
})

test('an app that floods its log pushes out its own oldest lines, and none of another app', async (t) => {
  const cluster = (await startNats(t)).open()
  for (const app of [web, gone]) await ensureLogStream(cluster, team, app)
  const segment = (text: string): LogSegment => {
    return { lines: [{ at: 0, instance: 'i-1', release: 1, stream: 'stdout', text }], upTo: 1 }
  }
  await publish(cluster, subjects.logs(team, gone, node), segment('the quiet one'))
  const text = 'x'.repeat(60_000)
  const count = Math.ceil((1.5 * keptLogBytes) / text.length)
  for (let n = 0; n < count; n++) await publish(cluster, subjects.logs(team, web, node), segment(`${n} ${text}`))

  const flooded = await logStream(cluster, team, web)
  assert.ok(
    flooded!.segments < count && flooded!.segments * text.length <= keptLogBytes,
    `${flooded!.segments} are left`,
  )
  assert.equal(flooded!.lastSequence, count, 'the newest are there')
  const quiet = {
    stream: logStreamName(team, gone),
    filter: subjects.logsOf(team, gone),
    schema: z.custom<LogSegment>(),
  }
  const [only] = await Array.fromAsync(read(cluster, { ...quiet, start: { at: 'first' }, follow: false }))
  assert.equal(only?.value.lines[0]?.text, 'the quiet one')
})
