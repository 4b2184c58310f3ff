import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ensureJail } from '../../../scripts/setup/jail.ts'
import { createLog } from '../core/log.ts'
import { cachePaths } from '../core/paths.ts'
import { Boost } from './boost.ts'

const log = createLog('test')
const path = () => cachePaths().jailBoost
let sleeper: ChildProcess

before(async () => {
  await ensureJail(() => {})
  sleeper = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)']) // has a dozen threads, as QEMU has
})
after(() => {
  sleeper.kill()
})

/** Scheduling policies of all its threads (field 41 of stat): 0 normal, 2 round robin in real time. */
function policies(pid: number): Set<number> {
  const threads = readdirSync(`/proc/${pid}/task`)
  const stats = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1'))
  return new Set(stats.map((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[38])))
}

async function until(holds: () => boolean, what: string) {
  const end = performance.now() + 20_000
  for (; !holds(); await delay(1)) assert.ok(performance.now() < end, `${what} within 20 s`)
}

const isRaised = () => policies(sleeper.pid!).has(2)
const isNormal = () => [...policies(sleeper.pid!)].join() === '0'

test('a raised process runs at real-time priority, for a moment', async (t) => {
  const boost = await Boost.start(path(), log)
  if (!boost) return t.skip('this machine refuses real-time priority')
  t.after(() => boost.close())
  let app = 0 // another one each time: one app's share is soon used up
  await until(() => {
    boost.raise(sleeper.pid!, ++app)
    return isRaised()
  }, 'raised')
  await until(isNormal, 'back to normal by itself')
})

test('a wake that finds all places taken gets its turn', async (t) => {
  const boost = await Boost.start(path(), log)
  if (!boost) return t.skip('this machine refuses real-time priority')
  t.after(() => boost.close())
  const places = Math.ceil(availableParallelism() / 2)
  const first = Array.from({ length: places }, () => spawn('sleep', ['600']))
  t.after(() => {
    for (const process of first) process.kill()
  })
  let app = 100
  await until(() => {
    for (const { pid } of first) boost.raise(pid!, ++app)
    boost.raise(sleeper.pid!, ++app) // in the same moment, so that all places are taken
    return isRaised()
  }, 'raised')
  await until(isNormal, 'back to normal by itself')
})

test('everything is taken back when the agent is gone', async (t) => {
  const boost = await Boost.start(path(), log)
  if (!boost) return t.skip('this machine refuses real-time priority')
  boost.raise(sleeper.pid!, 1)
  boost.close()
  await until(isNormal, 'back to normal')
  assert.doesNotThrow(() => boost.raise(sleeper.pid!, 2)) // of no effect
})

test('a booster that cannot be had is no failure', async () => {
  assert.equal(await Boost.start('/nowhere/boost', log), undefined)
})

test('a process that raised itself starts others at normal priority', async () => {
  const script = `
    const { raiseOwnMainThread } = await import(${JSON.stringify(import.meta.resolve('../core/priority.ts'))})
    const { execFileSync } = await import('node:child_process')
    const raised = raiseOwnMainThread()
    console.log(JSON.stringify({ raised, child: execFileSync('cat', ['/proc/self/stat'], { encoding: 'latin1' }) }))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  for await (const chunk of child.stdout) output += chunk
  const answer = JSON.parse(output) as { raised: boolean; child: string }
  assert.equal(answer.child.slice(answer.child.lastIndexOf(')') + 2).split(' ')[38], '0')
})
