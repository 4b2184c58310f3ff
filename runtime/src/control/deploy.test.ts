import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Client, type DeployRequest, type DeployStep, LittleCloudError } from '../../../sdk/src/index.ts'
import { startNats } from '../../../test/harness/nats.ts'
import { list } from '../cluster/list.ts'
import { openSecrets } from '../model/secrets.ts'
import { openState, type State } from './state.ts'
import { writeOciLayout } from './testing/oci-layout.ts'
import { startCloud, type TestCloud } from './testing/start-cloud.ts'
import { ensureTeam } from './testing/team.ts'

const clientOf = ({ url, token }: { url: string; token: string }) => new Client({ url, token })
const layout = (cloud: TestCloud, name = 'tiny') => writeOciLayout(join(cloud.dir, name))
const code = (expected: string) => (error: unknown) => {
  assert.ok(error instanceof LittleCloudError, String(error))
  assert.equal(error.code, expected, error.message)
  return true
}

async function deploy(cloud: TestCloud, app: string, request: DeployRequest) {
  const steps: DeployStep[] = await Array.fromAsync(clientOf(cloud).deploy(app, request))
  const last = steps.at(-1)
  assert.ok(last?.type === 'live')
  return { steps: steps.flatMap((one) => (one.type === 'step' ? one.step : [])), live: last }
}

/** Everything the control keeps of all apps; the test wants it to be nothing after a failure. */
async function remains(state: State) {
  const kept = [state.apps, state.hostnames] as const
  const keys = await Promise.all([
    ...kept.map((bucket) => list<unknown>(bucket as never)),
    list(state.releases),
    list(state.secrets),
    list(state.placements),
  ])
  return keys.flat().map(({ key }) => key)
}

const images = async ({ dir }: TestCloud) =>
  (await readdir(join(dir, 'images')).catch(() => [])).filter((name) => !name.startsWith('.'))

test('a deploy streams its steps in order, ends live, and the next one makes a further release', async (t) => {
  const cloud = await startCloud(t, await startNats(t))
  const image = await layout(cloud)

  const first = await deploy(cloud, 'web', { image })
  assert.deepEqual(first.steps, ['image', 'place', 'template', 'start', 'warm', 'parked'])
  assert.equal(first.live.url, 'http://web.localhost:8080')
  assert.deepEqual([first.live.release, first.live.instance.isolation], [1, 'emulated'])
  assert.equal((await deploy(cloud, 'web', { image, memoryMib: 96 })).live.release, 2)

  const client = clientOf(cloud)
  const [app] = await client.apps()
  assert.deepEqual([app?.name, app?.state, app?.release, app?.memoryMib], ['web', 'live', 2, 96])
  assert.deepEqual(
    (await client.releases('web')).map(({ number, state }) => [number, state]),
    [
      [2, 'live'],
      [1, 'kept'],
    ],
  )
  assert.deepEqual(
    (await client.ps()).map(({ app, id, node, release, state }) => [app, id, node, release, state]),
    [
      ['web', 'i-1', 'n-test', 1, 'parked'],
      ['web', 'i-2', 'n-test', 2, 'parked'],
    ],
  )

  const stopped = await client.stop('web')
  assert.equal(stopped.state, 'stopped')
  await client.remove('web')
  assert.deepEqual(await remains(openState(cloud.cluster)), [])
  assert.deepEqual(await images(cloud), [])
})

test('a first deploy that fails says why and leaves nothing behind', async (t) => {
  const cloud = await startCloud(t, await startNats(t))
  const image = await layout(cloud)
  const state = openState(cloud.cluster)
  for (const [command, expected] of [
    ['exits-with-3', 'app.crashed_at_start'],
    ['no-such-command', 'app.command_failed'],
    ['never-listens', 'app.port_not_open'],
    ['eats-memory', 'app.out_of_memory'],
  ]) {
    await assert.rejects(deploy(cloud, 'web', { image, command: [command!] }), code(expected!))
    assert.deepEqual(await remains(state), [])
    assert.deepEqual(await images(cloud), [])
  }
})

test('when a later deploy fails, the release before it goes on and the failed one is listed with its reason', async (t) => {
  const cloud = await startCloud(t, await startNats(t))
  const image = await layout(cloud)
  await deploy(cloud, 'web', { image, secrets: { KEY: 'one' } })

  await assert.rejects(
    deploy(cloud, 'web', { image, secrets: { KEY: 'two' }, command: ['exits-with-3'] }),
    code('app.crashed_at_start'),
  )

  const state = openState(cloud.cluster)
  assert.equal((await state.apps.get('main.web'))?.value.release, 1)
  assert.deepEqual((await state.placements.get('n-test.main.web'))?.value, { ready: [1] })
  const [failed] = await clientOf(cloud).releases('web')
  assert.deepEqual([failed?.number, failed?.state, failed?.failure?.code], [2, 'failed', 'app.crashed_at_start'])
  assert.equal((await images(cloud)).length, 1)
  const key = Buffer.from((await readFile(cloud.config.clusterKey, 'utf8')).trim(), 'hex')
  const sealed = await state.secrets.get('main.web.1')
  assert.deepEqual(openSecrets(key, 'main.web.1', sealed!.value), ['KEY=one'])
  assert.equal((await deploy(cloud, 'web', { image, secrets: { KEY: null } })).live.release, 3)
  const kept = await state.secrets.get('main.web.3')
  assert.deepEqual(openSecrets(key, 'main.web.3', kept!.value), ['KEY=one'])
})

test('a stopped app is started by its next deploy, and stays stopped if that one fails', async (t) => {
  const cloud = await startCloud(t, await startNats(t))
  const image = await layout(cloud)
  const client = clientOf(cloud)
  await deploy(cloud, 'web', { image })
  await client.stop('web')

  await assert.rejects(deploy(cloud, 'web', { image, command: ['exits-with-3'] }), code('app.crashed_at_start'))
  assert.equal((await client.app('web')).state, 'stopped')
  assert.deepEqual(await list(openState(cloud.cluster).placements), [])

  assert.equal((await deploy(cloud, 'web', { image })).live.release, 3)
  assert.equal((await client.app('web')).state, 'live')
})

test('what is wrong with a request is refused before anything is done', async (t) => {
  const cloud = await startCloud(t, await startNats(t), { freeMib: 512 })
  const image = await layout(cloud)
  const ranges = (error: LittleCloudError) =>
    /memoryMib: must be a whole number from 80 to 1048576 MiB, not 3/.test(error.message)
  await assert.rejects(deploy(cloud, 'web', { image, memoryMib: 3 }), ranges)
  await assert.rejects(deploy(cloud, 'web', { image, idleMs: 10_001 }), code('request.invalid'))
  await assert.rejects(deploy(cloud, 'web', { image, tpyo: 1 } as never), /tpyo/)
  await assert.rejects(deploy(cloud, 'Not_A_Name', { image }), code('app.name_invalid'))
  await assert.rejects(deploy(cloud, 'web', { image, memoryMib: 1024 }), code('placement.no_capacity'))
  await assert.rejects(deploy(cloud, 'web', { image, memoryMib: 100_000 }), code('placement.larger_than_any_node'))
  await assert.rejects(deploy(cloud, 'web', { image, secrets: { KEY: null } }), code('secret.no_value'))
  await assert.rejects(deploy(cloud, 'web', { image: 'upload:../../etc/passwd' }), code('upload.unknown'))
  await assert.rejects(deploy(cloud, 'web', { image: join(cloud.dir, 'nothing-here') }), code('image.bad_reference'))
  const damaged = await writeOciLayout(join(cloud.dir, 'damaged'), { damaged: true })
  await assert.rejects(deploy(cloud, 'web', { image: damaged }), code('image.corrupt'))
  const other = await writeOciLayout(join(cloud.dir, 'other'), { architecture: 'arm64' })
  await assert.rejects(deploy(cloud, 'web', { image: other }), code('image.wrong_platform'))
  const mute = await writeOciLayout(join(cloud.dir, 'mute'), { config: {} })
  await assert.rejects(deploy(cloud, 'web', { image: mute }), code('image.no_command'))
  assert.deepEqual(await remains(openState(cloud.cluster)), [])
})

test('a name is of the team that had it first, and a wrong token learns nothing', async (t) => {
  const cloud = await startCloud(t, await startNats(t))
  const image = await layout(cloud)
  await deploy(cloud, 'web', { image })

  const others = { ...cloud, token: await ensureTeam(openState(cloud.cluster), 'others') }
  await assert.rejects(deploy(others, 'web', { image }), code('app.name_taken'))
  await assert.rejects(clientOf(others).app('web'), code('app.unknown'))
  assert.deepEqual(await clientOf(others).apps(), [])

  await assert.rejects(clientOf({ ...cloud, token: 'lc_wrong' }).apps(), code('auth.wrong_token'))
  await assert.rejects(clientOf({ ...cloud, token: '' }).apps(), code('auth.no_token'))
  const nodeToken = (await readFile(join(cloud.dir, 'node.token'), 'utf8')).trim()
  await assert.rejects(clientOf({ ...cloud, token: nodeToken }).apps(), code('auth.not_allowed'))
  assert.equal((await stat(join(cloud.dir, 'owner.token'))).mode & 0o777, 0o600)
  assert.equal((await clientOf(cloud).whoami()).team, 'main')
})

test("an emulated node runs its owner's programs alone, unless its operator lets strangers in", async (t) => {
  const cloud = await startCloud(t, await startNats(t))
  const image = await layout(cloud)
  const others = { ...cloud, token: await ensureTeam(openState(cloud.cluster), 'others') }
  await assert.rejects(deploy(others, 'theirs', { image }), code('placement.foreign_on_emulated'))
  assert.deepEqual(await remains(openState(cloud.cluster)), [])
  await deploy(cloud, 'ours', { image })

  const open = await startCloud(t, await startNats(t), { foreignOnEmulated: true })
  const admitted = { ...open, token: await ensureTeam(openState(open.cluster), 'others') }
  const { live } = await deploy(admitted, 'theirs', { image: await layout(open) })
  assert.equal(live.instance.isolation, 'emulated')
})

test('a deploy whose client goes away is rolled back, and so is one that a restart of the control cut off', async (t) => {
  const cloud = await startCloud(t, await startNats(t))
  const image = await layout(cloud)
  const state = openState(cloud.cluster)
  cloud.host.silent = true

  const leaving = new AbortController()
  await assert.rejects(async () => {
    for await (const { type, ...event } of clientOf(cloud).deploy('web', { image }, { signal: leaving.signal })) {
      if (type === 'step' && 'step' in event && event.step === 'place') leaving.abort()
    }
  })
  await gone(async () => [...(await remains(state)), ...(await images(cloud))])

  const cut = deploy(cloud, 'other', { image }).catch((error: unknown) => error)
  await present(() => remains(state), 'n-test.main.other')
  await cloud.restart()
  assert.ok((await cut) instanceof LittleCloudError)
  await gone(() => remains(state))
})

test('a node that never answers is named with the step that was awaited and the limit', async (t) => {
  const cloud = await startCloud(t, await startNats(t), { templateLimitMs: 200 })
  cloud.host.silent = true
  const named = /the step 'template' on n-test took longer than 200 ms/
  await assert.rejects(deploy(cloud, 'web', { image: await layout(cloud) }), named)
  assert.deepEqual(await remains(openState(cloud.cluster)), [])
})

test('two deploys of one app do not run at a time', async (t) => {
  const cloud = await startCloud(t, await startNats(t))
  const image = await layout(cloud)
  const both = await Promise.allSettled([deploy(cloud, 'web', { image }), deploy(cloud, 'web', { image })])
  const [refused] = both.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
  assert.ok(code('deploy.in_progress')(refused?.reason))
  assert.equal((await clientOf(cloud).app('web')).release, 1)
})

test('nodes fetch the root of an image with their own token, and secrets are in no log', async (t) => {
  const cloud = await startCloud(t, await startNats(t))
  const { live } = await deploy(cloud, 'web', { image: await layout(cloud), secrets: { KEY: 'hunter2-hunter2' } })
  const token = (await readFile(join(cloud.dir, 'node.token'), 'utf8')).trim()
  const url = `${cloud.url}/v1/nodes/images/${encodeURIComponent(live.image.digest)}`
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
  assert.equal((await answer.arrayBuffer()).byteLength, live.image.rootBytes)
  assert.equal((await fetch(url, { headers: { authorization: `Bearer ${cloud.token}` } })).status, 403)
  assert.ok(existsSync(cloud.config.clusterKey))
  assert.ok(!cloud.log.join('').includes('hunter2'))
  assert.ok(!cloud.log.join('').includes(cloud.token))
})

/** Waits for the state to be empty: the roll-back goes on after its client left. */
const gone = (keys: () => Promise<string[]>) => until(async () => (await keys()).length === 0)
const present = (keys: () => Promise<string[]>, key: string) => until(async () => (await keys()).includes(key))

async function until(condition: () => Promise<boolean>) {
  const deadline = performance.now() + 20_000
  while (!(await condition())) assert.ok(performance.now() < deadline, 'the state did not become what it should be')
}
