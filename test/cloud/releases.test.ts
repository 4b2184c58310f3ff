import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { DeployStep, InstanceView } from '../../sdk/src/index.ts'
import { busyboxImage } from '../images/busybox.ts'
import { cloud } from './one-cloud.ts'

const everyMs = 300
const ns = 1_000_000

/** Says which release it is; `slow` takes three seconds for it. */
const cgi = (before: string) => `#!/bin/sh
${before}
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "$NAME $SECRET"
`

let folder: string
let image: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'littlecloud-releases-'))
  const config = {
    Cmd: ['httpd', '-f', '-p', '8080', '-h', '/www'],
    ExposedPorts: { '8080/tcp': {} },
    Healthcheck: {
      Test: ['CMD-SHELL', 'test ! -e /tmp/sick || { echo "caught a cold"; exit 1; }'],
      Interval: everyMs * ns,
      Timeout: 20_000 * ns,
      Retries: 2,
    },
  }
  image = await busyboxImage(join(folder, 'image'), config, [
    { name: 'www/', type: 'folder' },
    { name: 'www/cgi-bin/', type: 'folder' },
    { name: 'www/cgi-bin/name', content: cgi(''), mode: 0o755 },
    { name: 'www/cgi-bin/slow', content: cgi('sleep 3'), mode: 0o755 },
  ])
})
after(() => rm(folder, { recursive: true, force: true }))

const deploy = (app: string, name: string, more: object = {}) =>
  cloud.deploy(app, { image, env: [`NAME=${name}`], ...more })

async function live(steps: AsyncIterable<DeployStep>): Promise<number> {
  for await (const step of steps) if (step.type === 'live') return step.release
  throw new Error('it did not go live')
}

/** What it says of itself, and what the edge says of it. */
async function ask(app: string, path = 'name', options: http.RequestOptions = {}) {
  const { status, body, headers } = await cloud.get(app, `/cgi-bin/${path}`, { ...timed, ...options })
  return { status, name: body.trim(), release: Number(headers['little-release']), from: headers['little-from'] }
}
const timed = { headers: { 'little-timing': '1' } }

/** A command inside the app's live instance. */
async function exec(app: string, ...command: string[]): Promise<number> {
  const ignore = () => {}
  return cloud.client.exec(app, { command, stdout: ignore, stderr: ignore }).exited
}

async function until<T>(what: string, read: () => Promise<T | false>, deadlineMs = 120_000): Promise<T> {
  for (const end = Date.now() + deadlineMs; ; await delay(50)) {
    const value = await read()
    if (value !== false) return value
    if (Date.now() > end) throw new Error(`${what}: not within ${deadlineMs} ms`)
  }
}

test('a rollback brings back env and secrets; the kept release answers from sleep, without a start', async () => {
  await deploy('back', 'one', { secrets: { SECRET: 'first' } })
  const [first] = await cloud.instances('back')
  await deploy('back', 'two', { secrets: { SECRET: 'second' } })
  assert.deepEqual([(await ask('back')).name, (await ask('back')).release], ['two second', 2])
  await cloud.asleep('back')

  assert.equal(await live(cloud.client.rollback('back')), 1)
  assert.deepEqual(await ask('back'), { status: 200, name: 'one first', release: 1, from: 'parked' })
  const [again] = (await cloud.instances('back')).filter(({ release }) => release === 1)
  assert.equal(again?.id, first?.id, 'it is the instance that served before')
})

test('what is kept outlives a kill -9 of the host agent', async () => {
  await deploy('agent', 'one')
  await deploy('agent', 'two')
  const ids = async () => (await cloud.instances('agent')).map(({ id, release }) => `${release} ${id}`).sort()
  const before = await ids()
  const { pid } = cloud.role('host')
  cloud.signal('host', 'SIGKILL')
  await until('the agent is back', async () => {
    const host = cloud.role('host')
    return host.pid !== pid && host.state === 'ready'
  })
  await cloud.asleep('agent', 60_000)
  assert.deepEqual(await ids(), before)
  assert.equal(await live(cloud.client.rollback('agent')), 1)
  assert.deepEqual(await ask('agent'), { status: 200, name: 'one', release: 1, from: 'parked' })
  assert.deepEqual(await ids(), before)
})

test('a reply that began before a deploy comes to its end, and the next one is of the new release', async () => {
  await deploy('slow', 'one')
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const slow = ask('slow', 'slow')
  await until('it answers', async () => (await cloud.instances('slow')).some(({ state }) => state === 'running'))
  const [begun] = await Promise.all([slow, deploy('slow', 'two')])
  assert.deepEqual([begun.status, begun.name], [200, 'one'])
  const kept = await ask('slow', 'name', { agent })
  assert.deepEqual([kept.name, kept.release], ['two', 2])
  agent.destroy()
})

test('a canary gets its share of the requests, each with its release on it', async () => {
  await deploy('share', 'one')
  await deploy('share', 'two', { canary: 50 })
  const answers = await Promise.all(Array.from({ length: 60 }, () => ask('share', 'name', { headers: {} })))
  const of = (release: number) => answers.filter((answer) => answer.release === release)
  assert.ok(of(1).every(({ name }) => name === 'one') && of(2).every(({ name }) => name === 'two'))
  assert.equal(of(1).length + of(2).length, 60)
  assert.ok(of(1).length > 5 && of(2).length > 5, `${of(1).length} and ${of(2).length}`) // one in 10^10 by chance

  await cloud.client.promote('share')
  assert.equal((await ask('share')).name, 'two')
  const [second, firstOne] = await cloud.client.releases('share')
  assert.deepEqual([second?.state, firstOne?.state], ['live', 'kept'])
})

test('a release whose HEALTHCHECK does not pass never goes live, and says why', async () => {
  await deploy('ill', 'one')
  const command = ['sh', '-c', 'touch /tmp/sick; exec httpd -f -p 8080 -h /www']
  await assert.rejects(deploy('ill', 'two', { command }), /HEALTHCHECK failed \d+ times .*exit code 1: caught a cold/)
  assert.equal((await ask('ill')).name, 'one')
  assert.deepEqual(
    (await cloud.instances('ill')).map(({ release }) => release),
    [1],
  )
})

test('an instance whose HEALTHCHECK fails while it is awake is replaced; asleep it is not asked', async () => {
  await deploy('cold', 'one', { idleMs: 2_000 })
  const [first] = await cloud.instances('cold')
  assert.equal(first?.health, 'healthy')
  assert.equal(await exec('cold', 'touch', '/tmp/sick'), 0)
  await cloud.asleep('cold')
  const before = await cloud.instances('cold')
  if (before[0]?.id === first?.id) await delay(10 * everyMs) // all the checks that could have been
  const asleep = await cloud.instances('cold')
  assert.deepEqual(asleep.map(stateOf), before.map(stateOf), 'nothing happens to what sleeps')

  const replaced = async () => {
    const { status } = await ask('cold') // a request keeps it awake for a while, and is answered all the time
    assert.equal(status, 200)
    return (await cloud.instances('cold')).find(({ id, state }) => id !== first?.id && state !== 'starting') ?? false
  }
  const second = await until('it is replaced', replaced)
  assert.equal(second.health, 'healthy')
  await until('the old one is gone', async () => (await cloud.instances('cold')).length === 1)
  const lines = await Array.fromAsync(cloud.client.logs('cold'))
  assert.ok(lines.some(({ text }) => /unhealthy: .*HEALTHCHECK failed 2 times .*caught a cold/.test(text)))
})

const stateOf = ({ id, state, health }: InstanceView) => [id, state, health]
