import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { LogLine } from '../../sdk/src/index.ts'
import { answered, ask, deploy } from './life-cloud.ts'
import { cloud } from './one-cloud.ts'

/** Sleeps by itself: about its idle time after its last byte, plus what telling costs. */
async function sleepsByItself(app: string, idleMs: number) {
  const began = performance.now()
  await cloud.asleep(app)
  const tookMs = performance.now() - began
  assert.ok(tookMs >= idleMs / 2 && tookMs < idleMs + 3_000, `asleep after ${tookMs} ms, idle ${idleMs} ms`)
}

describe('unmodified images', { concurrency: true }, () => {
  for (const [image, greeting] of [
    ['hello', /hello from littlecloud\nrequest \d+/],
    ['node', /hello from node/],
    ['python', /hello from python/],
  ] as const) {
    test(`${image} is deployed, answers, sleeps by itself, and answers again`, async (t) => {
      const { tookMs } = await deploy(cloud, image, image, { idleMs: 500 })
      t.diagnostic(`deployed in ${Math.round(tookMs)} ms`)
      for (let round = 0; round < 3; round++) {
        const { status, body, headers } = await cloud.get(image, '/', { headers: { 'little-timing': '1' } })
        assert.equal(status, 200)
        assert.match(body, greeting)
        assert.equal(headers['little-from'], 'parked', 'it was asleep')
        await sleepsByItself(image, 500)
      }
    })
  }

  test('memory is kept over sleeps: a counter goes on where it was', async () => {
    await deploy(cloud, 'counter', 'node', { idleMs: 100 })
    for (let expected = 1; expected <= 5; expected++) {
      const { value, from } = await answered<{ count: number }>(cloud, 'counter', '/counter')
      assert.deepEqual([value.count, from], [expected, 'parked'])
      await cloud.asleep('counter')
    }
  })

  test('an app sees at most three warm-ups per instance, all of them marked, and then only its users', async () => {
    await deploy(cloud, 'witness', 'life-node', { idleMs: 100, spares: 1, concurrency: { soft: 1, hard: 1 } })
    await cloud.waitFor('witness', 2)
    const both = await Promise.all([1, 2].map(() => answered<{ instance: string }>(cloud, 'witness', '/slow?ms=500')))
    assert.equal(new Set(both.map(({ value }) => value.instance)).size, 2, 'both instances were asked')
    type Seen = { method: string; path: string; agent: string }[]
    const seen = await Promise.all([1, 2].map(() => answered<Seen>(cloud, 'witness', '/seen')))
    for (const { value } of seen) {
      const warmUps = value.filter(({ agent }) => agent === 'littlecloud-warmup')
      assert.ok(warmUps.length >= 1 && warmUps.length <= 3, `${warmUps.length} warm-ups`)
      const others = value.filter(({ path }) => path !== '/slow' && path !== '/seen')
      assert.deepEqual(others, warmUps, 'nobody but the warm-up asked for anything else')
    }
  })
})

describe('ends, logs and exec', { concurrency: true }, () => {
  for (const method of ['GET', 'POST']) {
    test(`an app that dies at a ${method} says its last words to the client, and the next request finds a new one`, async () => {
      const app = `mortal-${method.toLowerCase()}`
      await deploy(cloud, app, 'life-node', { idleMs: 500 })
      const first = await answered<{ instance: string }>(cloud, app, '/')
      const crash = await ask<{ error: { code: string; message: string } }>(cloud, app, '/exit?code=7', { method })
      assert.equal(crash.status, 502)
      assert.equal(crash.value.error.code, 'app.crashed')
      assert.match(crash.value.error.message, /exit code 7[\s\S]*the last words of this program/)
      const next = await answered<{ instance: string }>(cloud, app, '/')
      assert.notEqual(next.value.instance, first.value.instance)
      const lines = await logOf(app, (line) => line.stream === 'system' && /crashed: .*exit code 7/.test(line.text))
      assert.equal(lines.filter(({ text }) => text.startsWith('crashed:')).length, 1, 'it died once')
      assert.ok(lines.some(({ stream, text }) => stream === 'stdout' && text === 'about to give up'))
      assert.ok(lines.some(({ stream, text }) => stream === 'stderr' && text === 'the last words of this program'))
    })
  }

  test('all lines of stdout and stderr arrive, each stream in its order', async () => {
    await deploy(cloud, 'writer', 'life-node', { idleMs: 100 })
    await answered(cloud, 'writer', '/write?mark=a&lines=500')
    const lines = await logOf('writer', ({ text }) => text === 'err a 500')
    for (const [stream, word] of [
      ['stdout', 'out'],
      ['stderr', 'err'],
    ]) {
      const own = lines.filter((line) => line.stream === stream).map(({ text }) => text)
      assert.deepEqual(
        own.filter((text) => text.startsWith(`${word} a`)),
        Array.from({ length: 500 }, (_, index) => `${word} a ${index + 1}`),
      )
    }
  })

  test('exec gives output and exit code, and keeps the instance awake meanwhile', async () => {
    await deploy(cloud, 'shell', 'life-node', { idleMs: 100 })
    await cloud.asleep('shell')
    const output = { stdout: '', stderr: '' }
    const collect = (name: keyof typeof output) => (bytes: Uint8Array) => {
      output[name] += Buffer.from(bytes).toString()
    }
    const script = 'echo begun; read line; echo "got $line"; echo wrong >&2; id -un; exit 9'
    const session = cloud.client.exec('shell', {
      command: ['sh', '-c', script],
      stdout: collect('stdout'),
      stderr: collect('stderr'),
    })
    await until(() => output.stdout.includes('begun'))
    await delay(1_000) // ten times its idle time
    assert.deepEqual(
      (await cloud.instances('shell')).map(({ state }) => state),
      ['running'],
    )
    session.write(Buffer.from('a line\n'))
    assert.equal(await session.exited, 9)
    assert.deepEqual(output, { stdout: 'begun\ngot a line\nnode\n', stderr: 'wrong\n' })
    await cloud.asleep('shell', 3_000)
  })
})

/** The app's log, once a line is in it. */
async function logOf(app: string, isThere: (line: LogLine) => boolean): Promise<LogLine[]> {
  let lines: LogLine[] = []
  await until(async () => {
    lines = await Array.fromAsync(cloud.client.logs(app))
    return lines.some(isThere)
  })
  return lines
}

async function until(holds: () => boolean | Promise<boolean>, deadlineMs = 10_000) {
  const end = Date.now() + deadlineMs
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${holds}`)
    await delay(50)
  }
}
