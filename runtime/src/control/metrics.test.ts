import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { z } from 'zod'
import { Client } from '../../../sdk/src/index.ts'
import { startNats } from '../../../test/harness/nats.ts'
import { answer } from '../cluster/ask.ts'
import { tellMetrics } from '../cluster/metrics.ts'
import { type AppTraffic, subjects } from '../cluster/subjects.ts'
import { gauge } from '../core/figures.ts'
import { boundsMs } from '../core/latency.ts'
import { merged } from './metrics.ts'
import { openState } from './state.ts'
import { writeOciLayout } from './testing/oci-layout.ts'
import { startCloud } from './testing/start-cloud.ts'
import { ensureTeam } from './testing/team.ts'

test("all roles' metrics are one text, each sample with its role, for the owner's team alone", async (t) => {
  const cloud = await startCloud(t, await startNats(t))
  for (const name of ['e-1', 'e-2']) {
    const registry = new Registry()
    gauge(registry, 'little_edge_clients', 'Open client connections', () => 7)
    t.after(tellMetrics(cloud.cluster, { role: 'edge', name }, registry))
  }
  await cloud.cluster.now?.flush()
  const text = await new Client(cloud).metrics()
  assert.match(text, /^little_edge_clients\{role="edge",name="e-1"\} 7$/m)
  assert.match(text, /^little_edge_clients\{role="edge",name="e-2"\} 7$/m)
  assert.match(text, /^little_nats_connected\{role="control",name="control"\} 1$/m)
  const heads = text.split('\n').filter((line) => line.startsWith('# TYPE '))
  assert.equal(new Set(heads).size, heads.length, 'each family is described once')

  const { status } = await fetch(`${cloud.url}/metrics`)
  assert.equal(status, 401)
  const token = await ensureTeam(openState(cloud.cluster), 'others')
  await assert.rejects(new Client({ url: cloud.url, token }).metrics(), /may not see the whole cloud/)
})

test('labels that a role has given stay, whatever is in them', () => {
  const head = '# HELP a_total A\n# TYPE a_total counter\n'
  const text = `${head}a_total{code="x y}"} 1\na_total 2\n`
  assert.equal(
    merged([{ role: 'edge', name: 'e', text }]),
    `${head}a_total{role="edge",name="e",code="x y}"} 1\na_total{role="edge",name="e"} 2\n`,
  )
})

test('what goes on in the apps is added up over the edges, for the own team', async (t) => {
  const cloud = await startCloud(t, await startNats(t))
  const client = new Client(cloud)
  await Array.fromAsync(client.deploy('web', { image: await writeOciLayout(`${cloud.dir}/tiny`) }))
  const firstByte = boundsMs.map((_, at) => (at === 2 ? 5 : 0))
  const one: AppTraffic = { team: 'main', app: 'web', requests: 5, wakes: 1, firstByte }
  for (const traffic of [[one], [one, { ...one, team: 'others' }]]) {
    t.after(answer(cloud.cluster, subjects.askAll('traffic'), z.unknown(), () => traffic))
  }
  await cloud.cluster.now?.flush()
  const { apps, boundsMs: bounds } = await client.top()
  assert.deepEqual(bounds, boundsMs)
  assert.deepEqual(
    apps.map(({ name, requests, wakes, firstByte: counts }) => [name, requests, wakes, counts[2]]),
    [['web', 10, 2, 10]],
  )
})
