import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import type { LogLine, LogQuery } from '../../sdk/src/index.ts'
import { deploy } from './life-cloud.ts'
import { cloud } from './one-cloud.ts'

const requests = 100
const lines = (app: string, query: LogQuery = {}): Promise<LogLine[]> => Array.fromAsync(cloud.client.logs(app, query))

async function until(what: string, holds: () => boolean | Promise<boolean>, deadlineMs = 60_000): Promise<void> {
  const end = Date.now() + deadlineMs
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${deadlineMs} ms`)
    await delay(50)
  }
}

describe('logs', () => {
  test('what a program printed while NATS stood still survives a kill -9 of the agent, each line once', async () => {
    await deploy(cloud, 'writer', 'hello')
    const journal = join(cloud.dataDir, 'host/logs')
    const journalled = () =>
      readdirSync(journal)
        .map((file) => readFileSync(join(journal, file), 'utf8'))
        .join('')
    const killed = cloud.role('host').pid
    cloud.signal('nats', 'SIGSTOP')
    try {
      for (let n = 1; n <= requests; n++) await cloud.get('writer', `/kept/${n}`)
      await until('the last line has come', () => journalled().includes(`GET /kept/${requests} 404`))
      cloud.signal('host', 'SIGKILL')
    } finally {
      cloud.signal('nats', 'SIGCONT')
    }
    await until('the agent is back', () => cloud.role('host').pid !== killed)
    await until('the log goes on', async () => {
      await cloud.get('writer', '/after') // what is printed while nobody listens to QEMU is lost
      return (await lines('writer', { grep: 'GET /after' })).length > 0
    })
    const kept = await lines('writer', { grep: 'GET /kept/' })
    assert.deepEqual(
      kept.map(({ text }) => text),
      Array.from({ length: requests }, (_, index) => `GET /kept/${index + 1} 404`),
    )
    const [instance] = await cloud.instances('writer')
    assert.ok(kept.every((line) => line.instance === instance?.id && line.release === 1 && line.stream === 'stdout'))
  })

  test('the log of a first deploy that failed can be read by the name of the app that never was', async () => {
    const image = await ensureExampleImage('static')
    await assert.rejects(cloud.deploy('doomed', { image, command: ['/no-such-folder'] }), /usage: server FOLDER/)
    assert.deepEqual(
      (await cloud.client.apps()).filter(({ name }) => name === 'doomed'),
      [],
    )
    const soFar = (query?: LogQuery) => lines('doomed', query).catch(() => []) // nobody knows the name before the first line
    await until('its words are there', async () => (await soFar({ grep: 'usage: server' })).length > 0)
    await until('and ours', async () => (await soFar()).some(({ stream }) => stream === 'system'))
  })
})
