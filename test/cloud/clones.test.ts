import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { answered, deploy } from './life-cloud.ts'
import { cloud } from './one-cloud.ts'

type Values = Record<string, string | number | string[]>

const instances = 3
const page = readFileSync(join(import.meta.dirname, '../../docs/clones.md'), 'utf8')

/** What docs/clones.md says of a value: whether copies repeat it. */
function repeats(runtime: string, value: string): boolean {
  const row = page.split('\n').find((line) => line.startsWith(`| ${runtime} | ${value} |`))
  assert.ok(row, `docs/clones.md says nothing of ${runtime}: ${value}`)
  return /\| the same \|$/.test(row)
}

/** The answers of an app's first instance and two copies, asked at once: none of them is asked twice. */
async function askClones(app: string, image: string, path: string): Promise<Values[]> {
  await deploy(cloud, app, image, {
    clone: 'warm',
    idleMs: 100,
    maxInstances: instances,
    spares: instances - 1,
    concurrency: { soft: 1, hard: 1 },
  })
  await cloud.waitFor(app, instances, 300_000)
  const replies = await Promise.all(Array.from({ length: instances }, () => answered<Values>(cloud, app, path)))
  const all = async () => (await cloud.instances(app)).filter(({ requests }) => requests > 0).length === instances
  for (const end = Date.now() + 30_000; !(await all()); await delay(50))
    assert.ok(Date.now() < end, 'one was not asked')
  const events = (await Array.fromAsync(cloud.client.logs(app))).filter(({ stream }) => stream === 'system')
  assert.deepEqual(events, [], 'each copy succeeded')
  return replies.map(({ value }) => value)
}

function assertRows(replies: Values[], rows: [field: string, runtime: string, value: string][]) {
  for (const [field, runtime, value] of rows) {
    const distinct = new Set(replies.map((reply) => reply[field])).size
    assert.equal(distinct, repeats(runtime, value) ? 1 : instances, `${runtime}: ${value}`)
  }
}

test('what copies of a Node program repeat is what docs/clones.md says', async () => {
  assertRows(await askClones('clone-node', 'life-node', '/random?ms=4000'), [
    ['uuid', 'Node.js 20 and later', '`crypto.randomUUID()`'],
    ['bytes', 'Node.js 20 and later', '`crypto.randomBytes()`'],
    ['random', 'Node.js 20 and later', '`Math.random()`'],
    ['startSecret', 'any', 'a secret made at the start'],
  ])
})

test('what copies of a Python program repeat is what docs/clones.md says', async () => {
  assertRows(await askClones('clone-python', 'life-python', '/random?ms=4000'), [
    ['random', 'Python 3', '`random.random()`'],
    ['bits', 'Python 3', '`random.getrandbits()`'],
    ['uuid', 'Python 3', '`uuid.uuid4()`'],
    ['startSecret', 'any', 'a secret made at the start'],
  ])
})

test('the clone hook is over before a copy’s first request, so that a program can reseed', async () => {
  const replies = await askClones('clone-hook', 'worker', '/wait?ms=4000')
  assertRows(replies, [['random', 'Python 3 with the hook below', '`random.random()`']])
  const copies = replies.filter(({ hooks }) => (hooks as string[]).includes('clone as nobody'))
  assert.equal(copies.length, instances - 1)
  for (const { hooks } of copies)
    assert.deepEqual((hooks as string[]).slice(0, 2), ['sleep as nobody', 'clone as nobody'])
})
