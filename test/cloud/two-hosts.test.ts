// Two machines with a host agent and an edge each; NATS, control and billing on a third. Network namespaces play them.
import assert from 'node:assert/strict'
import http from 'node:http'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { Cluster } from '../../runtime/src/cluster/connect.ts'
import { read } from '../../runtime/src/cluster/stream.ts'
import { UsageRecord } from '../../runtime/src/model/usage.ts'
import { ensureExampleImage } from '../../scripts/images/ensure.ts'
import { download, isWhole } from '../harness/download.ts'
import { type Site, startTwoHosts, type TwoHosts } from '../harness/two-hosts.ts'
import { inOwnNetwork } from '../isolation-own-network.ts'

interface Answer {
  status: number
  body: string
  /** The release that answered. */
  release: number
  /** From the client's connecting to the reply's end. */
  tookMs: number
}

function ask({ machine, edgePort: port }: Site, app: string, path = '/'): Promise<Answer> {
  const begun = performance.now()
  return new Promise((resolve, reject) => {
    const headers = { host: `${app}.localhost`, 'little-timing': '1' }
    const request = http.get({ host: machine.address, port, path, headers, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (piece: string) => {
        body += piece
      })
      response.on('end', () => {
        const release = Number(response.headers['little-release'] ?? 0)
        resolve({ status: response.statusCode ?? 0, body, release, tookMs: performance.now() - begun })
      })
    })
    request.on('error', reject)
  })
}

/** The edge renews its holds each second and believes in a silent machine for 2.5 s: at most 3.5 s, and some for it. */
const noticedAfterMs = 3_700

const nodesAnswering = async ({ client }: TwoHosts) =>
  (await client.status()).nodes.filter(({ silentMs }) => (silentMs ?? 0) < 2_000).map(({ id }) => id)

if (inOwnNetwork(import.meta.filename)) {
  let cloud: TwoHosts
  before(async () => {
    const image = await ensureExampleImage('node')
    cloud = await startTwoHosts()
    const settings = { image, maxInstances: 1, idleMs: 300, concurrency: { soft: 4, hard: 8 } }
    for await (const _ of cloud.client.deploy('app', settings));
    await cloud.parkedOnBoth('app')
  })
  after(() => cloud?.down())

  const usage = async (): Promise<UsageRecord[]> => {
    await using cluster = Cluster.open(cloud.nats, { name: 'test' })
    const options = { stream: 'USAGE', filter: 'usage.>', schema: z.array(UsageRecord) } as const
    const records: UsageRecord[] = []
    for await (const { value } of read(cluster, { ...options, start: { at: 'first' }, follow: false }))
      records.push(...value)
    return records.filter(({ kind }) => kind === 'run')
  }

  test('each edge wakes instances on its own machine and on the other one', async (t) => {
    const pairs = new Set<string>()
    const took: number[] = []
    for (const until = Date.now() + 60_000; pairs.size < 4; ) {
      assert.ok(Date.now() < until, `only ${[...pairs].join(', ')}`)
      for (const site of cloud.sites) {
        const answer = await ask(site, 'app')
        assert.equal(answer.status, 200, answer.body)
        took.push(answer.tookMs)
        await cloud.asleep('app')
      }
      for (const { node, edges } of await usage()) for (const edge of edges) pairs.add(`${edge} ${node}`)
    }
    t.diagnostic(`${took.length} wakes, the slowest ${Math.round(Math.max(...took))} ms`)
  })

  test('a release goes live when both machines have it ready, and a rollback finds the one before on both', async () => {
    const image = await ensureExampleImage('hello')
    const { client, sites } = cloud
    const ready = async (release: number) => {
      const own = (await client.ps('both')).filter((one) => one.release === release)
      return sites.every(({ node }) => own.some((one) => one.node === node))
    }
    /** Edges follow on their own: until both have, none of them may fail. */
    const served = async (release: number) => {
      for (const until = Date.now() + 20_000; ; ) {
        const answers = await Promise.all([...sites, ...sites].map((site) => ask(site, 'both')))
        for (const { status, body } of answers) assert.equal(status, 200, body)
        if (answers.every((answer) => answer.release === release)) return
        assert.ok(Date.now() < until, JSON.stringify(answers))
      }
    }
    for (const release of [1, 2]) {
      for await (const _ of client.deploy('both', { image, env: [`NUMBER=${release}`], idleMs: 300 }));
      assert.ok(await ready(release), JSON.stringify(await client.ps('both')))
      await served(release)
    }
    assert.ok(await ready(1), 'it is kept')
    for await (const _ of client.rollback('both'));
    await served(1)
    await client.remove('both')
  })

  test('an edge gives half of its share to another one that needs it, while its own download goes on', async (t) => {
    const [a, b] = cloud.sites
    // As many as make the first edge hold the instances of both nodes wholly.
    const long = Array.from({ length: 8 }, () => download(a.edgePort, 'app', 60, 100, a.machine.address))
    await Promise.all(long.map((one) => one.reached(3)))
    const answer = await ask(b, 'app')
    assert.equal(answer.status, 200, answer.body)
    t.diagnostic(`the other edge was answered after ${Math.round(answer.tookMs)} ms`)
    assert.ok(
      long.some((one) => one.end === 'open'),
      'it did not wait for the downloads',
    )
    await Promise.all(long.map((one) => one.ended))
    assert.ok(long.every((one) => isWhole(one, 60)))
    await cloud.asleep('app')
  })

  test('the way from an edge to the other machine is cut for 8 s, and its download arrives whole', async (t) => {
    const [a, b] = cloud.sites
    const nodeOf = async () => (await cloud.client.ps('app')).find(({ state }) => state === 'running')?.node
    let coming = download(a.edgePort, 'app', 200, 100, a.machine.address)
    for (await coming.reached(1); (await nodeOf()) !== b.node; await coming.reached(1)) {
      coming.abort() // it runs on the edge's own machine
      await coming.ended
      await cloud.asleep('app')
      coming = download(a.edgePort, 'app', 200, 100, a.machine.address)
    }
    await coming.reached(20)
    const rules = (verb: string) => b.machine.nft(`${verb} table inet cut`)
    rules('add')
    b.machine.nft('add chain inet cut in { type filter hook input priority -500; policy accept; }')
    b.machine.nft(`add rule inet cut in ip saddr ${a.machine.address} tcp dport 7000 drop`)
    const cutAt = Date.now()
    await delay(8_000)
    rules('delete')
    await Promise.race([coming.ended, delay(60_000, undefined, { ref: false })])
    assert.ok(isWhole(coming, 200), `${coming.end}, ${coming.numbers.length} events`)
    await cloud.asleep('app')
    t.diagnostic(`it took ${Date.now() - cutAt} ms from the cut to its end`)
  })

  test('a machine goes dark: what it was asked is asked elsewhere, and once that is noticed all is answered within 1 s', async (t) => {
    const [a, b] = cloud.sites
    const waits: number[] = []
    const failures: string[] = []
    const awake = async () => (await cloud.client.ps('app')).find(({ state }) => state === 'running')?.node
    for (await ask(a, 'app'); (await awake()) !== b.node; await ask(a, 'app')) await cloud.asleep('app')
    // Its edge-mate holds the instance there, and goes on asking it: every 100 ms, whatever became of those before.
    const asked: Promise<void>[] = []
    const send = (turn: number) =>
      ask(a, 'app').then(
        ({ status, body, tookMs }) => {
          waits[turn] = tookMs
          if (status !== 200) failures.push(`${status} ${body}`)
        },
        (error: Error) => void failures.push(error.message),
      )
    for (let turn = 0; turn < 60; turn++) {
      if (turn === 10) b.machine.cable('down')
      asked.push(send(turn))
      await delay(100)
    }
    await Promise.all(asked)
    b.machine.cable('up')
    t.diagnostic(`${failures.length} of ${asked.length} failed; the slowest took ${Math.round(Math.max(...waits))} ms`)
    assert.deepEqual(failures, [])
    assert.ok(Math.max(...waits.slice(-(60 - 10 - noticedAfterMs / 100))) < 1_000, 'at once when it was noticed')
  })

  test('a machine is killed: its edge-mate answers from the other one within 1 s', async (t) => {
    const [a, b] = cloud.sites
    for (const until = Date.now() + 20_000; !(await nodesAnswering(cloud)).includes(b.node); await delay(100))
      assert.ok(Date.now() < until, 'the machine does not come back')
    await cloud.parkedOnBoth('app')
    await b.kill()
    const waits: number[] = []
    for (let turn = 0; turn < 20; turn++) {
      const { status, body, tookMs } = await ask(a, 'app')
      assert.equal(status, 200, body)
      waits.push(tookMs)
      await delay(turn % 4 === 3 ? 500 : 0) // some wake it, some find it awake
    }
    t.diagnostic(`the slowest of ${waits.length} took ${Math.round(Math.max(...waits))} ms`)
    assert.ok(Math.max(...waits) <= 1_000)
  })
}
