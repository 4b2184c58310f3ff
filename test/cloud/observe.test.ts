import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import { little } from '../harness/little.ts'
import { cloud } from './one-cloud.ts'

const requests = 5
const run = (...args: string[]) =>
  little(args, { LITTLE_DATA: cloud.dataDir, LITTLE_URL: `http://127.0.0.1:${cloud.apiPort}` })

/** The one sample whose name and labels all fit; undefined: there is none. */
function sample(text: string, name: string, ...labels: string[]): number | undefined {
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`))
  const found = lines.find((line) => labels.every((label) => line.includes(label)))
  return found === undefined ? undefined : Number(found.slice(found.lastIndexOf(' ')))
}

describe('what an operator sees', () => {
  before(async () => {
    await cloud.deploy('watched', { image: await ensureExampleImage('hello'), idleMs: 100, spares: 0 })
    for (let n = 0; n < requests; n++) {
      await cloud.asleep('watched', 60_000)
      await cloud.get('watched')
    }
    await cloud.asleep('watched', 60_000)
  })

  test('the metrics of all roles tell each wake, start and request', async () => {
    const text = await cloud.client.metrics()
    assert.equal(sample(text, 'little_edge_first_byte_seconds_count', 'role="edge"', 'from="parked"'), requests)
    assert.equal(sample(text, 'little_app_requests_total', 'app="main/watched"'), requests)
    assert.equal(sample(text, 'little_app_wakes_total', 'app="main/watched"'), requests)
    assert.equal(sample(text, 'little_host_wake_seconds_count', 'from="parked"'), requests)
    assert.equal(sample(text, 'little_host_start_seconds_count', 'end="ready"'), 1)
    assert.equal(sample(text, 'little_host_instances', 'state="parked"'), 1)
    assert.ok(sample(text, 'little_host_own_memory_bytes', 'state="parked"')! > 1_000_000)
    assert.equal(sample(text, 'little_host_stale_seconds', 'role="host"'), 0)
    assert.equal(sample(text, 'little_edge_stale_seconds', 'role="edge"'), 0)
    assert.ok(sample(text, 'little_control_requests_total', 'route="/v1/ps"')! > 0)
    for (const role of ['control', 'host', 'edge', 'billing']) {
      assert.equal(sample(text, 'little_nats_connected', `role="${role}"`), 1, role)
    }
  })

  test('the metrics of billing tell of each node whether its records are whole', async () => {
    const figures = async () => {
      const text = await cloud.client.metrics()
      return ['missing', 'broken', 'refused'].map((what) => sample(text, `little_billing_${what}_records`, 'node='))
    }
    // A node's records come in batches: before the first, billing does not know the node.
    while ((await figures()).includes(undefined)) await delay(200)
    assert.deepEqual(await figures(), [0, 0, 0])
  })

  test('little top shows where the instances are, and what was asked while it looked', async () => {
    const looking = run('top', '--json')
    const until = Date.now() + 1_500
    while (Date.now() < until) {
      await cloud.get('watched')
      await delay(100)
    }
    const { code, out, error } = await looking
    assert.equal(code, 0, error)
    const [app] = JSON.parse(out)
    assert.equal(app.name, 'watched')
    assert.equal(app.running + app.parked + app.others, 1)
    const once = await run('top', '--once')
    assert.match(once.out, /^APP +RUN +PARK +SUSP +REQ\/S +P50 MS/m)
    assert.match(once.out, /^watched +\d/m)
  })

  test('what the nodes really metered is verified', async () => {
    const { code, out, error } = await run('verify', 'usage')
    assert.equal(code, 0, out + error)
    assert.match(out, /✓ they add up to what little cost says/)
  })
})
