// Whatever ends a cloud, nothing of it stays on the machine: processes, links, packet rules, mounts, control groups.
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../../runtime/src/bin/up/ports.ts'
import { readRunFiles } from '../../runtime/src/core/run-files.ts'
import { alive } from '../../runtime/src/vm/process.ts'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import { get } from '../harness/cloud.ts'
import { little } from '../harness/little.ts'
import { findStrays } from '../harness/strays.ts'

const run = promisify(execFile)

/** A data folder that is taken away, with whatever cloud there is in it, when the test ends. */
async function dataFolder(t: TestContext): Promise<string> {
  const data = await mkdtemp(join(tmpdir(), 'littlecloud-leftovers-'))
  t.after(async () => {
    await little(['down'], { LITTLE_DATA: data })
    await rm(data, { recursive: true, force: true })
  })
  return data
}

async function nodeOf(data: string): Promise<string> {
  return (JSON.parse(await readFile(join(data, 'cloud.json'), 'utf8')) as { node: string }).node
}

/** A cloud started by the command line, with one app awake; resolves with its environment. */
async function upWithApp(data: string) {
  const [edgePort, apiPort] = [await freePort(), await freePort()]
  const env = {
    LITTLE_DATA: data,
    LITTLE_EDGE_PORT: String(edgePort),
    LITTLE_API_PORT: String(apiPort),
    LITTLE_SUBNET: `10.${60 + Math.floor(Math.random() * 60)}.0.0/16`,
  }
  const up = await little(['up', '--detach'], env)
  assert.equal(up.code, 0, up.error)
  const image = (await ensureExampleImage('hello')).replace('docker-archive:', '')
  const deployed = await little(['deploy', image, '--name', 'hello', '--idle', '10s', '--spares', '1'], env)
  assert.equal(deployed.code, 0, deployed.error)
  assert.equal((await get(edgePort, 'hello', '/', {})).status, 200)
  return env
}

/** So that an empty answer means that there is nothing, not that one looked for the wrong things. */
async function assertThere(data: string) {
  const strays = await findStrays(data, [await nodeOf(data)])
  for (const kind of ['process', 'link', 'packet rules', 'control group'])
    assert.ok(
      strays.some((stray) => stray.startsWith(kind)),
      `${kind}: ${strays.join('; ')}`,
    )
}

async function assertNothingLeft(data: string) {
  assert.deepEqual(await findStrays(data, [await nodeOf(data)]), [])
  assert.deepEqual(await jailedProcesses(data), [])
}

/** By what they have open: a jailed QEMU is in namespaces of its own, which last as long as it does. */
async function jailedProcesses(data: string): Promise<string[]> {
  const { stdout } = await run('sh', ['-c', `find /proc/[0-9]*/fd -lname '${data}/*' 2>/dev/null || true`])
  return stdout.split('\n').filter(Boolean)
}

test('little down leaves nothing, and says so when there is nothing to end', async (t) => {
  const data = await dataFolder(t)
  const env = await upWithApp(data)
  await assertThere(data)
  const down = await little(['down'], env)
  assert.equal(down.code, 0, down.error)
  assert.match(down.out, /The cloud is down\.$/m)
  await assertNothingLeft(data)
  const again = await little(['down'], env)
  assert.deepEqual([again.code, again.out], [0, 'No cloud is running on this machine.\n'])
  await assertNothingLeft(data)
})

test('after a kill -9 of the supervisor, and then of all roles, little down leaves nothing', async (t) => {
  const data = await dataFolder(t)
  const env = await upWithApp(data)
  const roles = readRunFiles(data)
  for (const role of ['up', 'host', 'edge', 'control', 'billing', 'nats']) {
    const file = roles.find((one) => one.role === role)
    assert.ok(file, role)
    process.kill(file.pid, 'SIGKILL')
    for (const until = Date.now() + 5_000; alive(file.pid, file.startTime); await delay(10))
      assert.ok(Date.now() < until)
  }
  await assertThere(data)
  const down = await little(['down'], env)
  assert.equal(down.code, 0, down.error)
  assert.match(down.out, /Cleaned up after a crash: \d instances, \d taps/)
  await assertNothingLeft(data)
})

test('after a kill -9 of the supervisor alone, little down ends the roles that outlived it', async (t) => {
  const data = await dataFolder(t)
  const env = await upWithApp(data)
  const up = readRunFiles(data).find(({ role }) => role === 'up')!
  process.kill(up.pid, 'SIGKILL')
  for (const until = Date.now() + 5_000; alive(up.pid, up.startTime); await delay(10)) assert.ok(Date.now() < until)
  const down = await little(['down'], env)
  assert.equal(down.code, 0, down.error)
  await assertNothingLeft(data)
})

test('a test that fails in the middle leaves nothing', async (t) => {
  const data = await dataFolder(t)
  const file = join(import.meta.dirname, 'fixtures/fails-on-purpose.ts')
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env // with it, its failure would count as ours
  const env = { ...inherited, LEFTOVERS_OF: data }
  const child: ChildProcess = spawn(process.execPath, ['--test', file], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let report = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    report += text
  })
  assert.deepEqual(await once(child, 'exit'), [1, null], report)
  assert.match(report, /✖ fails on purpose/)
  assert.match(report, /200 !== 500/)
  await assertNothingLeft(data)
})

test('the cloud of a program that is killed with -9 ends with it', async (t) => {
  const data = await dataFolder(t)
  const env = { ...process.env, LEFTOVERS_OF: data }
  const file = join(import.meta.dirname, 'fixtures/starts-a-cloud.ts')
  const child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout!, 'data')
  await assertThere(data)
  const up = readRunFiles(data).find(({ role }) => role === 'up')!
  child.kill('SIGKILL')
  for (const until = Date.now() + 60_000; alive(up.pid, up.startTime); await delay(20)) assert.ok(Date.now() < until)
  await assertNothingLeft(data)
})
