import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { Client, type LogLine } from '../../../sdk/src/index.ts'
import { startNats } from '../../../test/harness/nats.ts'
import { publish } from '../cluster/stream.ts'
import { subjects } from '../cluster/subjects.ts'
import { appName } from '../core/ids.ts'
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

const write = ({ cluster }: TestCloud, ...texts: string[]) => {
  const lines = texts.map((text): LogLine => ({ at: Date.now(), instance: 'i-1', stream: 'stdout', text }))
  return publish(cluster, subjects.logs(ownerTeam, appName('web')), { lines })
}
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
