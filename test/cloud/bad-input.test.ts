// What people get wrong, told by the real command line of a real cloud; and that nothing is left of it afterwards.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { copyFile, mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster } from '../../runtime/src/cluster/connect.ts'
import { list } from '../../runtime/src/cluster/list.ts'
import { prepareNatsServer } from '../../runtime/src/cluster/nats-server.ts'
import { openState } from '../../runtime/src/control/state.ts'
import { ensureTeam } from '../../runtime/src/control/testing/team.ts'
import { nodeId } from '../../runtime/src/core/ids.ts'
import { networkNames } from '../../runtime/src/host/network-names.ts'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import { startCloud, type TestCloud } from '../harness/cloud.ts'
import { little, type Ran } from '../harness/little.ts'
import { makeLayout } from '../images/make-layout.ts'
import { makeTar } from '../images/make-tar.ts'

let cloud: TestCloud
let folder: string
let hello: string
let python: string

const pathOf = async (name: string) => (await ensureExampleImage(name)).replace('docker-archive:', '')
const run = (args: string[], env: Record<string, string> = {}) => little(args, { LITTLE_DATA: cloud.dataDir, ...env })

before(async () => {
  ;[hello, python] = [await pathOf('hello'), await pathOf('python')]
  folder = await mkdtemp(join(tmpdir(), 'littlecloud-bad-input-'))
  cloud = await startCloud()
})

after(async () => {
  await cloud?.down()
  await rm(folder, { recursive: true, force: true })
})

/** What failed, why (with its code), what the program said last if it said something, what to do. */
function assertFailure({ code, error }: Ran, exit: number, errorCode: string, why: RegExp) {
  const lines = error.split('\n').filter((line) => line !== '' && !line.startsWith('✓')) // steps that were done before
  assert.equal(code, exit, error)
  assert.match(lines[0] ?? '', /^✗ little .*failed$/)
  assert.ok(lines[1]?.endsWith(`(${errorCode})`), error)
  assert.match(lines.slice(1, -1).join('\n'), why)
  assert.match(lines.at(-1) ?? '', /^ {2}→ \S/)
  for (const said of lines.slice(2, -1)) assert.match(said, /^ {4}/, error)
}

async function assertNothingLeft() {
  assert.equal((await run(['apps', '--json'])).out.trim(), '[]')
  assert.equal((await run(['ps', '--json'])).out.trim(), '[]')
  const { natsPort, node } = JSON.parse(readFileSync(join(cloud.dataDir, 'cloud.json'), 'utf8')) as {
    natsPort: number
    node: string
  }
  const { tapPrefix } = networkNames(nodeId(node))
  const left = () => [
    ...execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes(tapPrefix)),
    ...readdirSync(join(cloud.dataDir, 'host/instances')),
  ]
  for (const until = Date.now() + 10_000; left().length > 0; await delay(50))
    assert.ok(Date.now() < until, left().join('; '))
  const { config } = await prepareNatsServer({ dir: join(cloud.dataDir, 'nats'), port: natsPort })
  await using cluster = Cluster.open(config, { name: 'test' })
  const { hostnames, placements, apps, secrets } = openState(cluster)
  for (const bucket of [hostnames, placements, apps, secrets] as const)
    assert.deepEqual(
      (await list(bucket as typeof hostnames)).map(({ key }) => key),
      [],
      bucket.name,
    )
  assert.deepEqual(await readdir(join(cloud.dataDir, 'uploads')).catch(() => []), [])
}

const inPython = (program: string) => ['--', 'python3', '-c', program]

test('an image that is none, or none for this machine, is refused for what is wrong with it', async () => {
  const truncated = join(folder, 'truncated.tar')
  await copyFile(hello, truncated)
  await truncate(truncated, 40_000)
  const layers = [makeTar([{ name: 'run', content: 'x', mode: 0o755 }])]
  const layout = (name: string, more: object) => makeLayout(join(folder, name), { layers, ...more })
  const tampered = layout('tampered', {
    tamper: (image: { layers: Buffer[] }) => image.layers.splice(0, 1, Buffer.from('other bytes')),
  })
  const cases: [string[], string, RegExp][] = [
    [[join(folder, 'nothing.tar')], 'usage', /there is no .*nothing\.tar/],
    [['127.0.0.1:1/none:1'], 'image.registry_unreachable', /127\.0\.0\.1:1/],
    [[truncated], 'image.corrupt', /./],
    [[tampered], 'image.corrupt', /digest|sha256/i],
    [[layout('other', { architecture: 'arm64' })], 'image.wrong_platform', /arm64/],
    [[layout('mute', { config: { Cmd: undefined } })], 'image.no_command', /./],
  ]
  for (const [args, code, why] of cases) assertFailure(await run(['deploy', ...args]), 1, code, why)
  await assertNothingLeft()
})

test('a program that does not come to take requests is told with what it did instead', async () => {
  const deploy = (...args: string[]) => run(['deploy', python, '--name', 'app', ...args])
  const crash = inPython('import sys; print("alpha", flush=True); sys.exit("beta")')
  const [missing, crashed, large, elsewhere] = await Promise.all([
    deploy('--', 'no-such-command'),
    run(['deploy', python, '--name', 'app-2', ...crash]),
    run(['deploy', python, '--name', 'app-3', '-m', '96', ...inPython('x = bytearray(500_000_000)')]),
    run(['deploy', python, '--name', 'app-4', '-p', '8080', '--', 'python3', '-m', 'http.server', '9000']),
  ])
  assertFailure(missing, 1, 'app.command_failed', /no-such-command/)
  assertFailure(crashed, 1, 'app.crashed_at_start', /exit code 1[\s\S]*alpha[\s\S]*beta/)
  assertFailure(large, 1, 'app.out_of_memory', /more than its 96 MiB/)
  assert.match(large.error, /-m 192/)
  assertFailure(elsewhere, 1, 'app.port_not_open', /port 8080 .*listens on 9000/)
  assert.match(elsewhere.error, /-p 9000/)
  await assertNothingLeft()
})

test('flags and names that cannot be are refused before anything is done', async () => {
  const cases: [string[], string, RegExp][] = [
    [[hello, '--name', 'Not_Valid'], 'app.name_invalid', /Not_Valid/],
    [[hello, '--name', 'a'.repeat(64)], 'app.name_invalid', /./],
    [[hello, '-m', '64'], 'usage', /from 80 to/],
    [[hello, '-m', '500000'], 'placement.larger_than_any_node', /500000 MiB/],
    [[hello, '-p', '0'], 'usage', /from 1 to 65535/],
    [[hello, '--cpus', '1e9'], 'usage', /from 1 to 64/],
    [[hello, '--idle', '1h'], 'usage', /from 10ms to 10s/],
    [[hello, '--max-awake', '25h'], 'usage', /from 1s to 24h/],
    [[hello, '--clone', 'cold'], 'usage', /one of warm/],
    [[hello, '--concurrency', '0'], 'usage', /from 1 to 10000/],
    [[hello, '--max', '-1'], 'usage', /from 1 to 1000/],
    [[hello, '--no-such-flag'], 'usage', /unknown option '--no-such-flag'/],
    [[hello, '--secret', 'NOWHERE'], 'secret.no_value', /NOWHERE/],
    [[], 'usage', /missing required argument/],
  ]
  const ran = await Promise.all(cases.map(([args]) => run(['deploy', ...args])))
  for (const [index, [, code, why]] of cases.entries()) assertFailure(ran[index]!, 1, code, why)
  assertFailure(await run(['deplyo']), 1, 'usage', /unknown command 'deplyo'/)
  assertFailure(await run(['logs', 'nobody']), 1, 'app.unknown', /nobody/)
  await assertNothingLeft()
})

test('a taken name, a wrong token, a cloud that is away or not there', async () => {
  const { natsPort } = JSON.parse(await readFile(join(cloud.dataDir, 'cloud.json'), 'utf8')) as { natsPort: number }
  const { config } = await prepareNatsServer({ dir: join(cloud.dataDir, 'nats'), port: natsPort })
  await using cluster = Cluster.open(config, { name: 'test' })
  const others = { LITTLE_TOKEN: await ensureTeam(openState(cluster), 'others') }
  assert.equal((await run(['deploy', hello, '--name', 'taken'])).code, 0)
  assertFailure(await run(['deploy', hello, '--name', 'taken'], others), 1, 'app.name_taken', /another team/)
  assertFailure(await run(['rm', 'taken'], others), 1, 'app.unknown', /taken/)
  assert.equal((await cloud.get('taken')).status, 200)

  assertFailure(await run(['apps'], { LITTLE_TOKEN: 'lc_wrong' }), 1, 'auth.wrong_token', /./)
  assertFailure(await run(['apps'], { LITTLE_URL: 'http://127.0.0.1:1' }), 3, 'cloud.unreachable', /127\.0\.0\.1:1/)
  assertFailure(
    await run(['apps'], { LITTLE_DATA: folder, LITTLE_URL: 'http://127.0.0.1:1' }),
    3,
    'cloud.unreachable',
    /./,
  )
  assert.equal((await run(['rm', 'taken'])).code, 0)
  await assertNothingLeft()
})

/** Serves on 8000; /move closes that port for 9000, /exit ends it. After `SELL_BY` (s since the epoch) it does not start. */
const moody = `
import http.server, os, sys, threading, time
if time.time() > float(os.environ['SELL_BY']):
    print('the milk is sour', file=sys.stderr)
    sys.exit(3)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/exit':
            print('asked to end', flush=True)
            os._exit(4)
        if self.path == '/move':
            threading.Thread(target=move).start()
        self.send_response(200)
        self.send_header('content-length', '2')
        self.end_headers()
        self.wfile.write(b'ok')
def serve(port):
    global server
    server = http.server.ThreadingHTTPServer(('0.0.0.0', port), Handler)
    server.serve_forever()
def move():
    server.shutdown()
    server.server_close()
    serve(9000)
threading.Thread(target=serve, args=(8000,)).start()
threading.Event().wait()`

test("the edge's pages say what is wrong with an app", async () => {
  const image = await ensureExampleImage('python')
  const command = ['python3', '-c', moody]
  const sellBy = Math.round(Date.now() / 1000) + 30
  for (const [app, until] of [
    ['moved', sellBy + 10_000],
    ['sour', sellBy],
  ] as const)
    await cloud.deploy(app, { image, command, env: [`SELL_BY=${until}`] })
  const page = (app: string, path = '/') => cloud.get(app, path, { headers: { accept: 'text/html' } })

  const unknown = await page('nobody')
  assert.equal(unknown.status, 404)
  assert.match(unknown.body, /<h1>No app answers at nobody\.localhost/)
  assert.equal(JSON.parse((await cloud.get('nobody')).body).error.code, 'edge.unknown_host')

  assert.equal((await page('moved', '/move')).status, 200)
  const moved = async () => {
    for (const until = Date.now() + 10_000; ; await delay(100)) {
      const reply = await page('moved')
      if (reply.status !== 200 || Date.now() > until) return reply
    }
  }
  const wrongPort = await moved()
  assert.equal(wrongPort.status, 502)
  assert.match(wrongPort.body, /does not take connections on port 8000/)

  await delay(Math.max(0, (sellBy + 1) * 1000 - Date.now())) // the program itself looks at the clock
  const ended = await page('sour', '/exit')
  assert.equal(ended.status, 502)
  assert.match(ended.body, /exit code 4[\s\S]*asked to end/)
  const crashed = await page('sour')
  assert.equal(crashed.status, 503)
  assert.match(crashed.body, /exit code 3[\s\S]*the milk is sour/)
  for (const app of ['moved', 'sour']) await cloud.client.remove(app)
  await assertNothingLeft()
})
