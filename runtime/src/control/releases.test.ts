import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Client, type DeployRequest, type DeployStep, LittleCloudError } from '../../../sdk/src/index.ts'
import { startNats } from '../../../test/harness/nats.ts'
import { openState } from './state.ts'
import { writeOciLayout } from './testing/oci-layout.ts'
import { startCloud, type TestCloud } from './testing/start-cloud.ts'

const clientOf = ({ url, token }: { url: string; token: string }) => new Client({ url, token })
const code = (expected: string) => (error: unknown) => {
  assert.ok(error instanceof LittleCloudError, String(error))
  assert.equal(error.code, expected, error.message)
  return true
}

async function live(steps: AsyncIterable<DeployStep>): Promise<number> {
  for await (const step of steps) if (step.type === 'live') return step.release
  throw new Error('it did not go live')
}

/** A cloud with the app `web`, deployed as often as there are requests. */
async function cloudWith(t: Parameters<typeof startCloud>[0], ...requests: Partial<DeployRequest>[]) {
  const cloud = await startCloud(t, await startNats(t))
  const image = await writeOciLayout(join(cloud.dir, 'tiny'))
  const client = clientOf(cloud)
  const deploy = (request: Partial<DeployRequest> = {}) => live(client.deploy('web', { image, ...request }))
  for (const request of requests) await deploy(request)
  return { cloud, client, deploy, state: openState(cloud.cluster) }
}

const states = async ({ client }: { client: Client }) =>
  (await client.releases('web')).map(({ number, state }) => `${number} ${state}`)
const placed = async (cloud: TestCloud) =>
  (await openState(cloud.cluster).placements.get('n-test.main.web'))?.value.ready

test('a rollback goes to the release before, then to the one before that, or to any that served', async (t) => {
  const all = await cloudWith(t, {}, {}, { env: ['A=3'] })
  const { client, cloud } = all
  assert.deepEqual(await states(all), ['3 live', '2 kept', '1 replaced'])
  assert.equal(await live(client.rollback('web')), 2)
  assert.deepEqual(await states(all), ['3 kept', '2 live', '1 replaced'])
  assert.equal(await live(client.rollback('web')), 1)
  assert.deepEqual(await states(all), ['3 replaced', '2 kept', '1 live'])
  assert.deepEqual(await placed(cloud), [1])
  await assert.rejects(live(client.rollback('web')), code('release.none_before'))
  assert.equal(await live(client.rollback('web', 3)), 3)
  await assert.rejects(live(client.rollback('web', 3)), code('release.is_live'))
  await assert.rejects(live(client.rollback('web', 4)), code('release.unknown'))
  await assert.rejects(live(client.rollback('nobody')), code('app.unknown'))
  assert.equal(await all.deploy(), 4, 'numbers are never used again')
})

test('a release that failed is no goal of a rollback, and a rollback outlives a restart of the control', async (t) => {
  const all = await cloudWith(t, {}, {})
  await assert.rejects(all.deploy({ command: ['exits-with-3'] }), code('app.crashed_at_start'))
  await assert.rejects(live(all.client.rollback('web', 3)), code('release.never_served'))
  assert.equal(await live(all.client.rollback('web')), 1)
  await all.cloud.restart()
  assert.deepEqual(await states({ client: clientOf(all.cloud) }), ['3 failed', '2 kept', '1 live'])
})

test('a rollback whose release does not start any more leaves the present one, and nothing of itself', async (t) => {
  const all = await cloudWith(t, {}, {}, {})
  const first = await all.state.releases.get('main.web.1')
  await all.state.releases.put('main.web.1', { ...first!.value, command: ['no-such-command'] })
  await assert.rejects(live(all.client.rollback('web', 1)), code('app.command_failed'))
  assert.deepEqual(await states(all), ['3 live', '2 kept', '1 replaced'])
  assert.deepEqual(await placed(all.cloud), [3])
})

test('a canary is shown with its share, stands in the way of other changes, and is promoted or taken back', async (t) => {
  const all = await cloudWith(t, {})
  const { client } = all
  await assert.rejects(live(client.deploy('new', { image: 'x', canary: 10 })), code('canary.nothing_live'))
  await assert.rejects(client.promote('web'), code('canary.none'))

  assert.equal(await all.deploy({ canary: 10 }), 2)
  assert.deepEqual(await states(all), ['2 canary', '1 live'])
  assert.deepEqual((await client.app('web')).canary, { release: 2, percent: 10 })
  assert.deepEqual(await placed(all.cloud), [1, 2])
  await assert.rejects(all.deploy(), code('canary.on'))
  await assert.rejects(live(client.rollback('web', 2)), code('canary.on'))

  assert.equal(await live(client.rollback('web')), 1)
  assert.deepEqual(await states(all), ['2 kept', '1 live'])
  assert.equal(await all.deploy({ canary: 50 }), 3)
  assert.equal((await client.promote('web')).release, 3)
  assert.deepEqual(await states(all), ['3 live', '2 replaced', '1 kept'])
  assert.deepEqual(await placed(all.cloud), [3])
})

test('a canary that does not start leaves the live release alone', async (t) => {
  const all = await cloudWith(t, {})
  await assert.rejects(all.deploy({ canary: 10, command: ['never-listens'] }), code('app.port_not_open'))
  assert.deepEqual(await states(all), ['2 failed', '1 live'])
  assert.equal((await all.client.app('web')).canary, undefined)
  assert.deepEqual(await placed(all.cloud), [1])
})

test('a stopped app starts with the release it had; one that does not start stays stopped', async (t) => {
  const all = await cloudWith(t, {}, {})
  const { client, state } = all
  assert.equal(await live(client.start('web')), 2, 'it runs already')
  await client.stop('web')
  assert.equal(await placed(all.cloud), undefined)
  await assert.rejects(all.deploy({ canary: 10 }), code('canary.nothing_live'))
  assert.equal(await live(client.start('web')), 2)
  assert.equal((await client.app('web')).state, 'live')

  await client.stop('web')
  const second = await state.releases.get('main.web.2')
  await state.releases.put('main.web.2', { ...second!.value, command: ['exits-with-3'] })
  await assert.rejects(live(client.start('web')), code('app.crashed_at_start'))
  assert.equal((await client.app('web')).state, 'stopped')
  assert.equal(await placed(all.cloud), undefined)
})
