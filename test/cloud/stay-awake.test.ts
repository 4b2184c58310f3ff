import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { usageRecords } from '../../bench/wake/intervals.ts'
import { runsOf } from '../harness/billed.ts'
import { answered, deploy } from './life-cloud.ts'
import { cloud } from './one-cloud.ts'

interface Seen {
  begun: number
  done: number
  hooks: string[]
}

const ask = async (app: string, path: string) => (await answered<Seen>(cloud, app, path)).value

/** What the app says when it is woken: who asks too early finds it awake, and asks again. */
async function afterItsSleep(app: string, deadlineMs = 60_000): Promise<Seen> {
  for (const end = Date.now() + deadlineMs; ; ) {
    await cloud.asleep(app, deadlineMs)
    const { from, value } = await answered<Seen>(cloud, app, '/')
    if (from === 'parked') return value
    if (Date.now() > end) throw new Error(`${app} does not sleep`)
  }
}

/** The billed runs that name files as what kept the app awake, once there are that many. */
async function runsByFiles(app: string, count: number, deadlineMs = 60_000) {
  for (const end = Date.now() + deadlineMs; ; await delay(500)) {
    const records = (await usageRecords(cloud.dataDir)).filter((one) => one.app === app)
    const runs = runsOf(records.filter(({ kind, holds }) => kind === 'run' && holds.includes('stay-awake')))
    if (runs.length >= count) return runs
    if (Date.now() > end) throw new Error(`files kept ${app} awake ${runs.length} times, not ${count}`)
  }
}

test('work that outlives its reply is always finished before sleep, and billed in the name of stay-awake', async () => {
  await deploy(cloud, 'worker', 'worker', { idleMs: 10 })
  const rounds = 20
  for (let round = 1; round <= rounds; round++) {
    assert.equal((await ask('worker', '/job?ms=200')).begun, round)
    assert.equal((await afterItsSleep('worker')).done, round, 'the job slept with its instance')
  }
  const runs = await runsByFiles('worker', rounds)
  assert.equal(runs.length, rounds)
  for (const { startMs, endMs } of runs) assert.ok(endMs - startMs >= 200, `${endMs - startMs} ms`)
})

test('hooks run before each sleep and after each wake, as the program’s user', async () => {
  for (let wakes = 1; wakes <= 3; wakes++) await afterItsSleep('worker')
  const { hooks } = await ask('worker', '/')
  assert.ok(hooks.length >= 6, `${hooks.length} hooks`)
  for (const [index, hook] of hooks.entries())
    assert.equal(hook, index % 2 === 0 ? 'sleep as nobody' : 'wake as nobody', `${index + 1}th`)
})

test('a forgotten file counts for --max-awake, once, and again after the folder was empty', async () => {
  await deploy(cloud, 'forgetful', 'worker', { idleMs: 10, maxAwakeMs: 1_500 })
  await ask('forgetful', '/forget')
  await afterItsSleep('forgetful')
  await afterItsSleep('forgetful') // neither of the two visits begins a new stretch
  await ask('forgetful', '/clean')
  await ask('forgetful', '/forget')
  await afterItsSleep('forgetful')
  const runs = await runsByFiles('forgetful', 2)
  assert.equal(runs.length, 2)
  for (const { startMs, endMs } of runs) assert.ok(endMs - startMs >= 1_500, `${endMs - startMs} ms`)
  const lines = (await Array.fromAsync(cloud.client.logs('forgetful'))).filter(({ stream }) => stream === 'system')
  assert.equal(lines.length, 2)
  for (const { text } of lines) assert.match(text, /kept it awake for 1\.5 s.*--max-awake/)
})

test('a job goes on while the agent is killed and started again', async () => {
  const { done } = await ask('worker', '/job?ms=12000') // longer than adopted instances stay awake by themselves
  const { pid } = cloud.role('host')
  cloud.signal('host', 'SIGKILL')
  const isBack = () => cloud.role('host').pid !== pid && cloud.role('host').state === 'ready'
  for (const end = Date.now() + 60_000; !isBack(); await delay(50)) assert.ok(Date.now() < end, 'no new agent')
  assert.equal((await afterItsSleep('worker')).done, done + 1, 'the job slept with its instance')
})
