import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { z } from 'zod'
import { answer } from '../runtime/src/cluster/ask.ts'
import { openState } from '../runtime/src/control/state.ts'
import { writeOciLayout } from '../runtime/src/control/testing/oci-layout.ts'
import { startCloud } from '../runtime/src/control/testing/start-cloud.ts'
import { ensureTeam } from '../runtime/src/control/testing/team.ts'
import { CostQuery } from '../runtime/src/model/cost.ts'
import { Client } from '../sdk/src/index.ts'
import { startNats } from '../test/harness/nats.ts'
import { imageFor } from './deploy/image.ts'
import { Progress } from './progress.ts'

const main = join(import.meta.dirname, 'main.ts')

interface Run {
  code: number | null
  out: string
  error: string
}

/** The real CLI in a process of its own, with nothing of this user's environment that it could find a cloud by. */
function little(args: string[], env: Record<string, string>, stdin = ''): Promise<Run> {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, [main, ...args], { env: { PATH, HOME, NO_COLOR: '1', ...env } })
  const run: Run = { code: null, out: '', error: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (run.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (run.error += text))
  child.stdin.end(stdin)
  return new Promise((resolve) => child.once('close', (code) => resolve({ ...run, code })))
}

async function cloudAndCli(t: TestContext) {
  const cloud = await startCloud(t, await startNats(t))
  const env = { LITTLE_URL: cloud.url, LITTLE_DATA: cloud.dir }
  return { cloud, run: (args: string[], more = {}, stdin = '') => little(args, { ...env, ...more }, stdin) }
}

/** Three lines: what failed, why (with its code), what to do. */
function assertFailure({ code, error }: Run, expected: { exit: number; code: string; why: RegExp }) {
  const lines = error
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('✓')) // steps that were done before
  assert.equal(code, expected.exit, error)
  assert.match(lines[0] ?? '', /^✗ little .*failed$/)
  assert.match(lines[1] ?? '', expected.why)
  assert.ok(lines[1]?.endsWith(`(${expected.code})`), error)
  assert.match(lines.at(-1) ?? '', /^ {2}→ \S/)
}

test('an app is deployed, listed, read, entered, stopped and removed from the command line', async (t) => {
  const { cloud, run } = await cloudAndCli(t)
  const image = await writeOciLayout(join(cloud.dir, 'tiny'))

  const deployed = await run(['deploy', image, '--secret', 'KEY', '-e', 'A=b'], { KEY: 'hunter2' })
  assert.equal(deployed.code, 0, deployed.error)
  assert.match(deployed.out, /^Live at http:\/\/tiny\.localhost:8080$/m)
  assert.match(deployed.error, /^✓ image {5}sha256:/m)
  const again = await run(['deploy', image, '--json'])
  const live = JSON.parse(again.out)
  assert.deepEqual([live.release, live.url, live.steps.length], [2, 'http://tiny.localhost:8080', 6])

  assert.match((await run(['apps'])).out, /^tiny +live +2 +\d+ s +http:\/\/tiny\.localhost:8080/m)
  assert.equal(JSON.parse((await run(['ps', '--json'])).out)[0].state, 'parked')
  assert.match((await run(['releases', 'tiny'])).out, /^1 +kept/m)
  assert.equal((await run(['open', 'tiny'])).out, 'http://tiny.localhost:8080\n')
  assert.match((await run(['whoami'])).out, /^owner of the team main/)

  const entered = await run(['exec', 'tiny', '--', 'cat', '-u'], {}, 'typed\n')
  assert.deepEqual([entered.code, entered.out], [7, 'cat -u\ntyped\n'])

  assert.match((await run(['rollback', 'tiny'])).out, /^Live is release 1 of tiny, at http/m)
  assert.match((await run(['deploy', image, '--canary', '10'])).out, /^10 % of the requests at \S+ go to release 3$/m)
  assert.match((await run(['releases', 'tiny'])).out, /^3 +canary 10 % /m)
  assert.match((await run(['apps'])).out, /^tiny +live +1, 3 \(10 %\)/m)
  assert.equal(JSON.parse((await run(['promote', 'tiny', '--json'])).out).release, 3)
  const back = await run(['rollback', 'tiny', '2', '--json'])
  assert.deepEqual([back.code, JSON.parse(back.out).release], [0, 2])

  assert.match((await run(['stop', 'tiny'])).out, /tiny is stopped/)
  assert.match((await run(['start', 'tiny'])).out, /^tiny release 2;/m)
  for (const [args, why] of [
    [['rollback', 'tiny', '0'], /from 1 to/],
    [['rollback', 'tiny', '9'], /no release 9 of tiny/],
    [['promote', 'tiny'], /has no canary/],
    [['deploy', image, '--canary', '100'], /from 1 to 99/],
    [['start', 'nobody'], /no app nobody/],
  ] as const) {
    const refused = await run([...args])
    assert.equal(refused.code, 1)
    assert.match(refused.error, why)
  }
  assert.equal((await run(['rm', 'tiny'])).code, 0)
  assert.match((await run(['apps'])).out, /No apps yet/)
})

test('^C during a deploy says how to see what became of it, and leaves the release before', async (t) => {
  const { cloud, run } = await cloudAndCli(t)
  const image = await writeOciLayout(join(cloud.dir, 'tiny'))
  assert.equal((await run(['deploy', image])).code, 0)
  cloud.host.silent = true
  const env = { PATH: process.env.PATH ?? '', LITTLE_URL: cloud.url, LITTLE_DATA: cloud.dir }
  const child = spawn(process.execPath, [main, 'deploy', image], { env })
  const ended = new Promise((resolve) => child.once('close', resolve))
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (!said.includes('✓ place') && (said + text).includes('✓ place')) child.kill('SIGINT')
    said += text
  })
  assert.equal(await ended, 130)
  assert.match(said, /Cancelled: .* little releases tiny/)
  for (const until = Date.now() + 20_000; ; ) {
    const { out } = await run(['releases', 'tiny'])
    if (/^2 +failed .*the client went away/m.test(out) && /^1 +live/m.test(out)) break
    assert.ok(Date.now() < until, out)
  }
})

test('bad input for a deploy is a clear error of three lines with the exit code 1', async (t) => {
  const { cloud, run } = await cloudAndCli(t)
  const image = await writeOciLayout(join(cloud.dir, 'tiny'))
  const mute = await writeOciLayout(join(cloud.dir, 'mute'), { config: {} })
  const damaged = await writeOciLayout(join(cloud.dir, 'damaged'), { damaged: true })
  const other = await writeOciLayout(join(cloud.dir, 'other'), { architecture: 'arm64' })
  const cases: [string[], string, RegExp][] = [
    [['./nothing-here'], 'usage', /there is no .*nothing-here/],
    [[damaged], 'image.corrupt', /./],
    [[other], 'image.wrong_platform', /arm64/],
    [[mute], 'image.no_command', /./],
    [[image, '--', 'no-such-command'], 'app.command_failed', /no-such-command/],
    [[image, '--', 'never-listens'], 'app.port_not_open', /3000/],
    [[image, '--', 'exits-with-3'], 'app.crashed_at_start', /exit code 3/],
    [[image, '--', 'eats-memory'], 'app.out_of_memory', /32 MiB/],
    [[image, '--name', 'Not-Valid'], 'app.name_invalid', /Not-Valid/],
    [[image, '-m', '3'], 'usage', /from 80 to 1048576 MiB/],
    [[image, '-m', '500000'], 'placement.larger_than_any_node', /8192 MiB in all/],
    [[image, '-p', '99999'], 'usage', /from 1 to 65535/],
    [[image, '--cpus', '-1'], 'usage', /from 1 to 64/],
    [[image, '--idle', '11s'], 'usage', /from 10ms to 10s/],
    [[image, '--max-awake', '500ms'], 'usage', /from 1s to 24h/],
    [[image, '--clone', 'cold'], 'usage', /one of warm/],
    [[image, '--concurrency', '20:10'], 'usage', /HARD not below SOFT/],
    [[image, '--secret', 'KEY=value'], 'usage', /on the command line/],
    [[image, '--secret', 'KEY'], 'secret.no_value', /KEY has no value/],
    [[image, '-v', 'data:/data'], 'usage', /unknown option '-v'/],
    [[], 'usage', /missing required argument 'image'/],
  ]
  for (const [args, code, why] of cases) {
    assertFailure(await run(['deploy', ...args]), { exit: 1, code, why })
  }
  assert.equal((await run(['apps', '--json'])).out.trim(), '[]')

  const unknown = await run(['deploy', image, '--memroy', '3'])
  assertFailure(unknown, { exit: 1, code: 'usage', why: /unknown option '--memroy'/ })
  assert.match(unknown.error, /Did you mean --memory\?/)
  assertFailure(await run(['deplyo']), { exit: 1, code: 'usage', why: /unknown command 'deplyo'/ })
  const crashed = await run(['deploy', image, '--json', '--', 'exits-with-3'])
  assert.equal(JSON.parse(crashed.out).error.code, 'app.crashed_at_start')
  assert.equal(crashed.code, 1)
})

test('a taken name, a wrong token and an unknown app are mistakes, a cloud that is not there is exit code 3', async (t) => {
  const { cloud, run } = await cloudAndCli(t)
  const image = await writeOciLayout(join(cloud.dir, 'tiny'))
  assert.equal((await run(['deploy', image])).code, 0)
  const others = { LITTLE_TOKEN: await ensureTeam(openState(cloud.cluster), 'others') }
  assertFailure(await run(['deploy', image], others), { exit: 1, code: 'app.name_taken', why: /another team/ })
  const wrong = { LITTLE_TOKEN: 'lc_wrong' }
  assertFailure(await run(['apps'], wrong), { exit: 1, code: 'auth.wrong_token', why: /./ })
  assertFailure(await run(['exec', 'tiny', '--', 'ls'], wrong), { exit: 1, code: 'auth.wrong_token', why: /./ })
  assertFailure(await run(['logs', 'nobody']), { exit: 1, code: 'app.unknown', why: /nobody/ })
  const away = { LITTLE_URL: 'http://127.0.0.1:1' }
  assertFailure(await run(['apps'], away), { exit: 3, code: 'cloud.unreachable', why: /127\.0\.0\.1:1/ })
  assertFailure(await run(['exec', 'tiny'], away), { exit: 3, code: 'cloud.unreachable', why: /./ })
})

test('a cloud elsewhere is sent what lies on this disk', async (t) => {
  const { cloud } = await cloudAndCli(t)
  const folder = await writeOciLayout(join(cloud.dir, 'tiny'))
  class Elsewhere extends Client {
    override get url() {
      return 'https://cloud.example.org'
    }
  }
  const client = new Elsewhere(cloud)
  using progress = new Progress({ quiet: true })
  const { signal } = new AbortController()
  const image = await imageFor(client, folder, progress, signal)
  assert.match(image, /^upload:/)
  assert.equal((await Array.fromAsync(client.deploy('tiny', { image }))).at(-1)?.type, 'live')
  assert.equal(await imageFor(client, 'nginx:1.27', progress, signal), 'nginx:1.27')
  await assert.rejects(imageFor(client, './nothing', progress, signal), /there is no/)
})

test('costs are shown by app with the preparation apart, and by hour in UTC', async (t) => {
  const { cloud, run } = await cloudAndCli(t)
  const used = {
    team: 'main',
    app: 'web',
    runMs: 5_000,
    vcpuMs: 5_000,
    mibMs: 1_280_000,
    egressBytes: 2_048,
    requests: 3,
  }
  answer(cloud.cluster, 'ask.billing.cost', CostQuery, ({ by }) => [
    { ...used, ...(by === 'hour' && { atMs: 3_600_000 }), kind: 'run', microcredits: '31' },
    { ...used, ...(by === 'hour' && { atMs: 3_600_000 }), kind: 'prepare', microcredits: '0' },
  ])
  const chain = { node: 'n-test', sequence: 7, missing: 0, repeated: 0, broken: 2, refused: 0 }
  answer(cloud.cluster, 'ask.billing.chains', z.unknown(), () => ({ chains: [chain], waiting: 0 }))
  await cloud.cluster.now?.flush()
  assert.match((await run(['cost'])).out, /^web +run +5\.0 s +5\.000 +1\.250 +2\.0 KiB +3 +0\.000031$/m)
  assert.match((await run(['cost', '--by', 'hour'])).out, /^1970-01-01 01:00 +web +prepare/m)
  assertFailure(await run(['cost', '--by', 'week']), { exit: 1, code: 'usage', why: /app, hour, day, team/ })
  const well = await run(['status'])
  assert.deepEqual([well.code, well.error], [0, ''])
  assert.match(well.out, /^isolation emulated/m)
  assert.match(well.out, /^! 2 usage records of n-test do not continue its chain$/m)
})

test('login keeps a token that the cloud knows, and refuses another', async (t) => {
  const { cloud } = await cloudAndCli(t)
  const home = { XDG_CONFIG_HOME: join(cloud.dir, 'config') }
  const login = (token: string) => little(['login', '--url', cloud.url], home, token)
  assertFailure(await login('lc_wrong\n'), { exit: 1, code: 'auth.wrong_token', why: /./ })
  assertFailure(await login(''), { exit: 1, code: 'usage', why: /no token/ })
  assert.match((await login(`${cloud.token}\n`)).out, /You are owner of the team main/)
  assert.match((await little(['whoami'], home)).out, new RegExp(`at ${cloud.url}`))
})

test('which lines, which records, which file: what cannot be meant is refused before anything is asked', async () => {
  const cases: [string[], RegExp][] = [
    [['logs', 'web', '--since', 'yesterday'], /how long ago, such as 10m/],
    [['logs', 'web', '--until', '2026-13-01'], /2026-01-31T12:00/],
    [['logs', 'web', '-f', '--until', '1m'], /-f goes on, and --until ends/],
    [['logs', 'web', '--grep', ''], /--grep needs a text/],
    [['logs', 'web', '--release', '0'], /from 1 to/],
    [['verify', 'usage', '--file', '/no/such/file'], /there is no file \/no\/such\/file/],
    [['verify', 'usage', '--file', 'x', '--node', 'n-1'], /checks the whole file/],
    [['verify', 'nothing'], /unknown command 'nothing'/],
    [['top', '--every', '1s'], /unknown option '--every'/],
  ]
  for (const [args, why] of cases) {
    assertFailure(await little(args, { LITTLE_URL: 'http://127.0.0.1:1' }), { exit: 1, code: 'usage', why })
  }
})

test('every verb has help with examples', async () => {
  const help = await little(['--help'], {})
  const names = [...help.out.matchAll(/^ {2}([a-z]+) {2,}/gm)].map((match) => match[1]!)
  assert.ok(names.length >= 16)
  const missing: string[] = []
  for (const name of names) {
    const { out, code } = await little([name, '--help'], {})
    if (code !== 0 || !/Examples:\n {2}little/.test(out)) missing.push(name)
  }
  assert.deepEqual(missing, [])
})
