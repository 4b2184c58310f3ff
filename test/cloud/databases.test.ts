// Databases on the wire: real clients keep one connection each, and what they talk to sleeps between their words.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../../runtime/src/bin/up/ports.ts'
import { little } from '../harness/little.ts'
import { Interactive } from './interactive.ts'
import { deploy, runs, settledRecords } from './life-cloud.ts'
import { cloud } from './one-cloud.ts'
import { RedisPool } from './redis-pool.ts'

const sleeps = 50
const idleMs = 100
let redisPort = 0
let postgresPort = 0

const runOf = async (app: string, fromMs: number) =>
  runs(await settledRecords(cloud, app)).filter(({ endUs }) => endUs > fromMs * 1000)

describe('databases on the wire', () => {
  let postgresIsThere: Promise<unknown>
  before(async () => {
    redisPort = await freePort()
    postgresPort = await freePort()
    const redis = { port: 6379, protocol: 'tcp', hostPort: redisPort, idleMs } as const
    const env = ['POSTGRES_PASSWORD=secret']
    const postgres = { port: 5432, protocol: 'tcp', hostPort: postgresPort, idleMs, env } as const
    postgresIsThere = deploy(cloud, 'postgres', 'postgres', postgres)
    postgresIsThere.catch(() => {}) // its initdb takes a minute of an emulated CPU: redis need not wait for it
    await deploy(cloud, 'redis', 'redis', redis)
  })

  describe('redis, unmodified', () => {
    test('redis-cli and a pool keep their connections over 50 sleeps, and no command is lost or doubled', async (t) => {
      await using cli = Interactive.start('redis-cli', ['-h', '127.0.0.1', '-p', String(redisPort)])
      await using pool = await RedisPool.open(redisPort, 5)
      const id = await cli.ask('CLIENT ID', /^\d+$/m)
      const ids = await pool.each('CLIENT', 'ID')
      let asleep = 0
      for (let round = 1; round <= sleeps; round++) {
        await cloud.asleep('redis', 60_000)
        asleep++
        const answers = await Promise.all([
          cli.ask('INCR by-cli', /^\d+$/m),
          ...Array.from({ length: 5 }, () => pool.command('INCR', 'by-pool')),
        ])
        assert.equal(answers[0], String(round))
        assert.deepEqual(
          answers.slice(1).sort((a, b) => Number(a) - Number(b)),
          Array.from({ length: 5 }, (_, index) => String(5 * (round - 1) + index + 1)),
        )
      }
      assert.equal(await cli.ask('CLIENT ID', /^\d+$/m), id, 'it is the same connection')
      assert.deepEqual(await pool.each('CLIENT', 'ID'), ids, 'and so are those of the pool')
      t.diagnostic(`${asleep} sleeps`)
    })
  })

  describe('between the words', () => {
    test('a connection that is open for 3 s and says nothing costs 0 ms', async () => {
      await using cli = Interactive.start('redis-cli', ['-h', '127.0.0.1', '-p', String(redisPort)])
      await cli.ask('PING', /^PONG$/m)
      await cloud.asleep('redis')
      await settledRecords(cloud, 'redis')
      const quietFrom = Date.now()
      await delay(3_000)
      const quietTo = Date.now()
      await cli.ask('PING', /^PONG$/m)
      const within = (await runOf('redis', quietFrom)).filter(({ startUs }) => startUs < quietTo * 1000)
      assert.deepEqual(within, [])
    })

    test('8 MiB arrive whole, though the client stops reading until the app sleeps', async () => {
      await using pool = await RedisPool.open(redisPort, 1)
      const value = 'abcdefgh'.repeat(1024 * 1024)
      assert.equal(await pool.command('SET', 'large', value), 'OK')
      const answer = pool.command('GET', 'large')
      pool.pause()
      await cloud.asleep('redis')
      pool.resume()
      assert.ok((await answer) === value)
    })

    test('commands that come just when it falls asleep are carried out once each, 100 times', async () => {
      await using pool = await RedisPool.open(redisPort, 1)
      for (let round = 1; round <= 100; round++) {
        assert.equal(await pool.command('INCR', 'edge-of-sleep'), String(round))
        await delay(idleMs - 5 + (round % 12))
      }
    })

    test('egress is counted, and each turn of a client is a request', async () => {
      await cloud.asleep('redis') // what it did for the test before is in a record of its own
      const began = Date.now()
      await using pool = await RedisPool.open(redisPort, 1)
      await pool.command('SET', 'thousand', 'x'.repeat(1_000))
      for (let turn = 0; turn < 10; turn++) await pool.command('GET', 'thousand')
      const records = await runOf('redis', began)
      const sum = (field: 'egressBytes' | 'requests') => records.reduce((total, record) => total + record[field], 0)
      assert.ok(sum('egressBytes') >= 10_000 && sum('egressBytes') < 11_000, `${sum('egressBytes')} bytes`)
      assert.ok(sum('requests') >= 11 && sum('requests') <= 14, `${sum('requests')} requests`)
    })
  })

  describe('ports', () => {
    const run = (args: string[]) => little(args, { LITTLE_DATA: cloud.dataDir })
    const hello = 'docker-archive:/dev/null'

    test('a port has one owner, who is named to others, and is free again after rm', async () => {
      const other = await run(['deploy', hello, '--name', 'other', '-p', `${redisPort}:6379/tcp`])
      assert.equal(other.code, 1)
      assert.match(
        other.error,
        new RegExp(`port ${redisPort} of this machine belongs to the app redis .*app.port_taken`),
      )
      assert.match(other.error, /→ Choose another port of the machine: -p \d+:PORT\/tcp/)
      const program = createServer().listen(0, '127.0.0.1')
      await new Promise((resolve) => program.once('listening', resolve))
      const { port } = program.address() as { port: number }
      const taken = await run(['deploy', hello, '--name', 'other', '-p', `${port}:6379/tcp`])
      program.close()
      assert.match(
        taken.error,
        new RegExp(`port ${port} of this machine belongs to node.* \\(process ${process.pid}\\)`),
      )
    })

    test('apps and open show where a TCP app is reached, and HTTP is told that it is none', async () => {
      const apps = JSON.parse((await run(['apps', '--json'])).out) as { name: string; url: string }[]
      assert.equal(apps.find(({ name }) => name === 'redis')?.url, `tcp://localhost:${redisPort}`)
      assert.equal((await run(['open', 'redis'])).out.trim(), `tcp://localhost:${redisPort}`)
      const { status, body } = await cloud.get('redis')
      assert.equal(status, 421)
      assert.match(body, /edge\.not_http/)
    })

    test('the port is there again after the edge was killed, and gone after rm', async () => {
      cloud.signal('edge', 'SIGKILL')
      await until(async () => (await ping()) === 'PONG')
      assert.equal((await run(['rm', 'redis'])).code, 0)
      await until(async () => (await ping()).includes('refused'))
    })
  })

  describe('postgres, unmodified', () => {
    before(() => postgresIsThere)

    test('psql keeps its connection and its session over 50 sleeps', async () => {
      const args = ['-h', '127.0.0.1', '-p', String(postgresPort), '-U', 'postgres', '-AtqX']
      await using psql = Interactive.start('psql', args, { PGPASSWORD: 'secret' })
      const pid = await psql.ask('SELECT pg_backend_pid();', /^\d+$/m)
      await psql.ask("CREATE TEMP TABLE counter AS SELECT 0 AS n; SELECT 'made';", /^made$/m)
      for (let round = 1; round <= sleeps; round++) {
        await cloud.asleep('postgres', 60_000)
        assert.equal(await psql.ask('UPDATE counter SET n = n + 1 RETURNING n;', /^\d+$/m), String(round))
      }
      assert.equal(await psql.ask('SELECT pg_backend_pid();', /^\d+$/m), pid)
    })

    test('a query that says nothing for ten times the idle time is answered, in one run', async () => {
      const args = ['-h', '127.0.0.1', '-p', String(postgresPort), '-U', 'postgres', '-AtqX']
      await using psql = Interactive.start('psql', args, { PGPASSWORD: 'secret' })
      await psql.ask("SELECT 'here';", /^here$/m)
      await cloud.asleep('postgres')
      const began = Date.now()
      await psql.ask("SELECT 'slept' FROM pg_sleep(1);", /^slept$/m)
      assert.equal((await runOf('postgres', began)).length, 1)
    })
  })
})

const ping = async () => {
  const { stdout, stderr } = await promisify(execFile)('redis-cli', ['-p', String(redisPort), 'PING']).catch(
    (error: { stdout: string; stderr: string }) => error,
  )
  return (stdout + stderr).trim()
}

async function until(holds: () => Promise<boolean>, deadlineMs = 60_000) {
  for (const end = Date.now() + deadlineMs; !(await holds()); await delay(100))
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${holds}`)
}
