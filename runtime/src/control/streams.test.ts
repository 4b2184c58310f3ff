import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { Client, type LogLine, type LogQuery } from '../../../sdk/src/index.ts'
import { startNats } from '../../../test/harness/nats.ts'
import { publish } from '../cluster/stream.ts'
import { subjects } from '../cluster/subjects.ts'
import { appName, nodeId } from '../core/ids.ts'
import { ownerTeam } from '../model/team.ts'
import { writeOciLayout } from './testing/oci-layout.ts'
import { startCloud, type TestCloud } from './testing/start-cloud.ts'

async function deployed(t: TestContext) {
  const cloud = await startCloud(t, await startNats(t))
  const client = new Client(cloud)
  const image = await writeOciLayout(join(cloud.dir, 'tiny'))
  await Array.fromAsync(client.deploy('web', { image }))
  return { cloud, client }
}

const writeAt = ({ cluster }: TestCloud, at: number, instance: string, release: number, ...texts: string[]) => {
  const lines = texts.map((text) => ({ at, instance, release, stream: 'stdout', text }))
  return publish(cluster, subjects.logs(ownerTeam, appName('web'), nodeId('n-test')), { lines, upTo: 0 })
}
const write = (cloud: TestCloud, ...texts: string[]) => writeAt(cloud, Date.now(), 'i-1', 1, ...texts)
const texts = async (lines: AsyncIterable<LogLine>) => (await Array.fromAsync(lines)).map(({ text }) => text)

test('the past log is read whole or by its tail, and what follows comes as it is written', async (t) => {
  const { cloud, client } = await deployed(t)
  assert.deepEqual(await texts(client.logs('web')), [])
  await write(cloud, 'one', 'two')
  await write(cloud, 'three')
  assert.deepEqual(await texts(client.logs('web')), ['one', 'two', 'three'])
  assert.deepEqual(await texts(client.logs('web', { tail: 2 })), ['two', 'three'])
  assert.deepEqual(await texts(client.logs('web', { tail: 0 })), [])

  await assert.rejects(texts(client.logs('nobody')), /there is no app nobody/)
  await client.remove('web')
  assert.deepEqual(await texts(client.logs('web')), ['one', 'two', 'three'], 'a failed deploy can be looked into')

  const enough = new AbortController()
  const seen: string[] = []
  await assert.rejects(async () => {
    for await (const { text } of client.logs('web', { follow: true, tail: 1, signal: enough.signal })) {
      seen.push(text)
      if (text === 'three') await write(cloud, 'four')
      if (text === 'four') enough.abort()
    }
  })
  assert.deepEqual(seen, ['three', 'four'])
})

test('a log is searched by time, text, instance and release', async (t) => {
  const { cloud, client } = await deployed(t)
  const hour = 3_600_000
  const now = Date.now()
  await writeAt(cloud, now - 2 * hour, 'i-1', 1, 'old "quoted"', 'old plain')
  await writeAt(cloud, now - hour, 'i-2', 2, 'new "quoted"', 'new → plain')
  const found = (query: LogQuery) => texts(client.logs('web', query))
  assert.deepEqual(await found({ grep: '"quoted"' }), ['old "quoted"', 'new "quoted"'])
  assert.deepEqual(await found({ grep: '→', tail: 1 }), ['new → plain'])
  assert.deepEqual(await found({ grep: 'absent' }), [])
  assert.deepEqual(await found({ from: now - 1.5 * hour }), ['new "quoted"', 'new → plain'])
  assert.deepEqual(await found({ to: now - 1.5 * hour }), ['old "quoted"', 'old plain'])
  assert.deepEqual(await found({ instance: 'i-2', grep: 'quoted' }), ['new "quoted"'])
  assert.deepEqual(await found({ release: 1, tail: 1 }), ['old plain'])
})

test('a follower misses nothing and gets nothing twice while the control is started again', async (t) => {
  const { cloud, client } = await deployed(t)
  cloud.config.listen.port = Number(new URL(cloud.url).port) // it comes back at the same address
  const seen: string[] = []
  const enough = new AbortController()
  await write(cloud, 'one', 'two')
  await assert.rejects(async () => {
    for await (const { text } of client.logs('web', { follow: true, signal: enough.signal })) {
      seen.push(text)
      if (text === 'one') {
        await cloud.restart()
        await write(cloud, 'three')
      }
      if (text === 'three') await cloud.restart()
      if (text === 'three') await write(cloud, 'four', 'five')
      if (text === 'five') enough.abort()
    }
  })
  assert.deepEqual(seen, ['one', 'two', 'three', 'four', 'five'])
})

test('an uploaded archive or folder is the image of a deploy, and a broken one is refused and removed', async (t) => {
  const { cloud, client } = await deployed(t)
  const layout = join(cloud.dir, 'tiny')
  spawnSync('tar', ['-cf', `${layout}-image.tar`, '-C', layout, '.'])
  const bytes = () => Readable.toWeb(createReadStream(`${layout}-image.tar`)) as ReadableStream<Uint8Array>
  for (const kind of ['archive', 'folder'] as const) {
    const { reference } = await client.upload(kind, bytes())
    const last = (await Array.fromAsync(client.deploy(`by-${kind}`, { image: reference }))).at(-1)
    assert.equal(last?.type, 'live')
  }
  const before = await readdir(join(cloud.dir, 'uploads/main'))
  await assert.rejects(client.upload('folder', new Blob(['this is no tar']).stream()), /upload could not be taken/)
  assert.deepEqual(await readdir(join(cloud.dir, 'uploads/main')), before)
})

test('the status names nodes, isolation and every role, and says who does not answer', async (t) => {
  const { client } = await deployed(t)
  const { isolation, nodes, roles } = await client.status()
  assert.equal(isolation, 'emulated')
  assert.deepEqual(
    nodes.map(({ id, freeMib }) => [id, freeMib]),
    [['n-test', 4096]],
  )
  const states = Object.fromEntries(roles.map(({ role, state }) => [role, state]))
  assert.deepEqual(states, { control: 'ok', nats: 'ok', host: 'ok', billing: 'silent' })
})
