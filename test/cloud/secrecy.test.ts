import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { busyboxImage } from '../images/busybox.ts'
import { filesHolding, memoryHolds } from '../suspend/search.ts'
import { cloud } from './one-cloud.ts'

const app = 'discreet'
const value = 'an-environment-value-8f2e61'
const secret = 'a-secret-value-77c0d4'
const kept = 'what-the-app-wrote-itself-19ab'

/** Shows that it was told, and writes something else to its files. */
const cgi = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "$VALUE $SECRET"
echo what-the-app-$WROTE-19ab > /kept
sync
`

let folder: string
let image: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'littlecloud-secrecy-'))
  const config = { Cmd: ['httpd', '-f', '-p', '8080', '-h', '/www'], ExposedPorts: { '8080/tcp': {} } }
  image = await busyboxImage(join(folder, 'image'), config, [
    { name: 'www/', type: 'folder' },
    { name: 'www/cgi-bin/', type: 'folder' },
    { name: 'www/cgi-bin/told', content: cgi, mode: 0o755 },
  ])
})
after(() => rm(folder, { recursive: true, force: true }))

const told = async () => (await cloud.get(app, '/cgi-bin/told')).body.trim()

/** Each of the texts, with the files of the cloud that hold it. */
async function found(...texts: string[]): Promise<Record<string, string[]>> {
  const entries = await Promise.all(texts.map(async (text) => [text, await filesHolding(cloud.dataDir, text)] as const))
  return Object.fromEntries(entries)
}

async function inMemory(text: string): Promise<boolean> {
  const instances = join(cloud.dataDir, 'host/instances')
  for (const name of await readdir(instances)) {
    const pid = Number((await readFile(join(instances, name, 'pid'), 'utf8')).split(' ')[0])
    if (await memoryHolds(pid, text)) return true
  }
  return false
}

test('values and secrets are in no file of the cloud while their app is awake or asleep', async () => {
  const env = [`VALUE=${value}`, 'WROTE=wrote-itself']
  await cloud.deploy(app, { image, env, secrets: { SECRET: secret } })
  assert.equal(await told(), `${value} ${secret}`)
  await cloud.asleep(app)
  assert.ok(await inMemory(secret), 'the search finds nothing at all in memory')
  const files = await found(value, secret, kept)
  assert.ok(
    files[kept]?.some((path) => path.endsWith('/scratch')),
    'the search finds nothing at all in files',
  )
  assert.deepEqual([files[value], files[secret]], [[], []])
})

test('values and secrets are in no file after the agent and the control were killed, and are told again', async () => {
  for (const role of ['host', 'control']) cloud.signal(role, 'SIGKILL')
  assert.equal(await told(), `${value} ${secret}`)
  assert.deepEqual(await found(value, secret), { [value]: [], [secret]: [] })
})
